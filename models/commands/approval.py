"""Approvals: what cannot be undone may need a second person, who is asked before it happens.

Off until `certline approval require` names kinds. A guarded command is stored as `held`, and goes on once another
person approves it; what is no command (the export of a key, an account's removal, a weaker rule) is refused
until it is approved, and may then be done once.
"""

import uuid
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Index,
    Text,
    cast,
    column,
    exists,
    func,
    select,
    table,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import UUID, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.database.base import Base
from certline.models.states import CommandType

# How long an approval may be used for what is no command, and is done by repeating it.
GOOD_FOR = timedelta(hours=24)
# The span in which revocations of one requester are counted (USUAL_ABOVE of them are no mass revocation).
COUNTED_FOR = timedelta(hours=24)


class Guard(StrEnum):
    """Kind of what may need an approval. `RULE` guards the rule itself, whenever anything needs an approval."""

    DELETE = "delete"
    EXPORT_KEY = "export-key"
    REVOKE_MANY = "revoke-many"
    RULE = "rule"


CHOICES = (Guard.DELETE, Guard.EXPORT_KEY, Guard.REVOKE_MANY)

# The columns of `models.commands.command.Command` that are read here; that module needs this one.
COMMANDS = table(
    "command",
    column("id"),
    column("type"),
    column("status"),
    column("requested_by"),
    column("created_at"),
)


class ApprovalRule(Base):
    """Rule that says what needs an approval. There is one row at most; without it, nothing does.

    `above`: revocations of one requester within COUNTED_FOR that need none.
    """

    __tablename__ = "approval_rule"
    __table_args__ = (
        CheckConstraint("id = 1", name="one_row"),
        CheckConstraint("above >= 0", name="above_counts"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    required: Mapped[list[str]]
    above: Mapped[int]
    changed_by: Mapped[str]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())

    def requires(self, guard: Guard) -> bool:
        """Return whether that needs an approval."""
        return guard in self.required if guard is not Guard.RULE else bool(self.required)

    def in_words(self) -> str:
        """Return the rule in words, such as `delete, revoke-many above 10`."""
        return in_words(self.required, self.above)


class Approval(Base):
    """Something that needs an approval. For a held command `id` is the command's.

    `request`: what it is, in words; the same words again are the same request. `approved`: None until it is
    decided. `used_at`: when what is no command was done.
    """

    __tablename__ = "approval"
    __table_args__ = (
        # Asked for again while it waits: it is the same.
        Index(
            "approval_once",
            "requested_by",
            "request",
            unique=True,
            postgresql_where=text("approved IS NULL AND NOT of_command"),
        ),
        Index("approval_waiting", "requested_at", postgresql_where=text("approved IS NULL")),
        CheckConstraint("(approved IS NULL) = (decided_at IS NULL)", name="decided_once"),
    )

    id: Mapped[str] = mapped_column(UUID(as_uuid=False), primary_key=True)
    guard: Mapped[str]
    request: Mapped[str]
    of_command: Mapped[bool]
    requested_by: Mapped[str]
    claimed: Mapped[str | None]
    requested_at: Mapped[datetime] = mapped_column(server_default=func.now())
    approved: Mapped[bool | None]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    used_at: Mapped[datetime | None]

    @property
    def requester(self) -> Identity:
        """Identity of the person or system that made the request."""
        return Identity(self.requested_by, self.claimed)

    @property
    def waits(self) -> str:
        """Text that tells the requester whose approval the request waits for."""
        return waiting_text(self.guard, self.requester)


def in_words(required: Collection[str], above: int) -> str:
    """Return what needs an approval, in words."""
    many = f"{Guard.REVOKE_MANY} above {above}"
    words = [many if each == Guard.REVOKE_MANY else each for each in sorted(required)]
    return ", ".join(words) or "nothing"


def in_short(kind: CommandType, subject: str | None, payload: Mapping[str, Any]) -> str:
    """Return what a command is about, in words for whoever approves it."""
    of_order = "order" in payload
    named = subject or payload.get("order" if of_order else "certificate")
    return f"{kind} {'order' if of_order else 'certificate'} {named}"


def waiting_text(guard: str, who: Identity) -> str:
    """Return why something is held, for the user who asked for it."""
    return f"it needs the approval of somebody other than {who.name} ({guard})"


def rule_of(db: Session, *, lock: bool = False) -> ApprovalRule | None:
    """Return the rule, or None if nothing has ever needed an approval."""
    return db.get(ApprovalRule, 1, with_for_update=lock or None, populate_existing=lock)


def guard_of_command(db: Session, kind: CommandType, who: Identity) -> Guard | None:
    """Return what a new command needs an approval for, or None if it needs none.

    Where revocations are counted, one locks the rule until its commit: parallel ones are counted one by one.
    """
    if kind not in (CommandType.DELETE, CommandType.REVOKE):
        return None
    guard = Guard.DELETE if kind is CommandType.DELETE else Guard.REVOKE_MANY
    rule = rule_of(db)
    if rule is None or not rule.requires(guard):
        return None
    if guard is Guard.REVOKE_MANY:
        rule = rule_of(db, lock=True)
        if rule is None or revocations_of(db, who) < rule.above:
            return None
    return guard


def revocations_of(db: Session, who: Identity) -> int:
    """Return how many revocations somebody has requested within COUNTED_FOR, whatever became of them."""
    query = select(func.count()).where(
        COMMANDS.c.type == CommandType.REVOKE.value,
        COMMANDS.c.requested_by == who.name,
        COMMANDS.c.created_at > func.now() - COUNTED_FOR,
    )
    return db.scalar(query) or 0


def ask(
    db: Session, guard: Guard, request: str, who: Identity, *, command_id: str | None = None
) -> Approval:
    """Store that something needs an approval. Returns the row, or the one that waits for the same already."""
    new = {
        "id": command_id or str(uuid.uuid4()),
        "guard": guard.value,
        "request": request,
        "of_command": command_id is not None,
        "requested_by": who.name,
        "claimed": who.claimed,
    }
    same = select(Approval).where(
        Approval.requested_by == who.name,
        Approval.request == request,
        Approval.approved.is_(None),
        ~Approval.of_command,
    )
    first = None
    while first is None:  # again if the first one was decided between the insert and the lookup
        insertion = insert(Approval).values(**new).on_conflict_do_nothing()
        if db.scalar(insertion.returning(Approval.id)) is not None:
            note(db, "requested", first := db.get_one(Approval, new["id"]), who)
        else:
            first = db.scalars(same).first()
    return first


def note(db: Session, what: str, found: Approval, who: Identity, **data: str | None) -> None:
    """Write the audit entry of what happened to an approval."""
    facts = {"guard": found.guard, "requested_by": found.requested_by, **data}
    record(
        db,
        f"approval.{what}",
        found.id,
        who=who,
        why=found.request,
        command_id=found.id if found.of_command else None,
        **facts,
    )


def permit(db: Session, guard: Guard, request: str, who: Identity) -> Approval | None:
    """Return None if something that is no command may be done now, else the approval that it waits for.

    Uses the approval up, in the caller's transaction: it is good for one time, within GOOD_FOR of its decision.
    """
    rule = rule_of(db)
    if rule is None or not rule.requires(guard):
        return None
    fit = (
        select(Approval.id)
        .where(
            Approval.requested_by == who.name,
            Approval.request == request,
            Approval.guard == guard.value,
            Approval.approved.is_(True),
            Approval.used_at.is_(None),
            Approval.decided_at > func.now() - GOOD_FOR,
            ~Approval.of_command,
        )
        .order_by(Approval.decided_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    used = db.scalar(
        update(Approval)
        .where(Approval.id == fit.scalar_subquery())
        .values(used_at=func.now())
        .returning(Approval.id)
    )
    if used is None:
        return ask(db, guard, request, who)
    note(db, "used", db.get_one(Approval, used), who)
    return None


def waiting(db: Session) -> list[Approval]:
    """Return what waits for an approval, the oldest first; not a command that has ended meanwhile."""
    held = exists().where(
        cast(COMMANDS.c.id, Text) == cast(Approval.id, Text), COMMANDS.c.status == "held"
    )
    query = select(Approval).where(Approval.approved.is_(None), ~Approval.of_command | held)
    return list(db.scalars(query.order_by(Approval.requested_at)))
