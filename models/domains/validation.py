"""Validations of domains: one row for each, with how far it has come and what it waits for."""

from datetime import UTC, date, datetime
from shlex import quote

from sqlalchemy import ForeignKey, Index, func, select, text
from sqlalchemy.dialects.postgresql import UUID, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.audit.identity import Identity
from certline.models.database.base import Base, DnsText, new_id, stored_by_value
from certline.models.database.session import clock
from certline.models.domains.course import (
    PROOFS,
    ValidationProgress,
    next_stage,
    patience,
    waits_for,
    waits_for_person,
)
from certline.models.states import ValidationMethod, ValidationOutcome, ValidationStage

# Stages that wait for something outside, and give up in the end.
WAITING = frozenset({ValidationStage.PUBLISH, ValidationStage.LOOK, ValidationStage.POLL})


class Validation(Base):
    """Validation of a domain at SCM.

    `stage` is what is done next, since `stage_since`; `tries` counts the tries of that stage. The proof, a record
    or a file behind a URL, is public: `proof_name` and `proof_value` say what has to be found, `proof_at` the name
    at which the record was written (at the end of its aliases). `said`: what the last look or poll has found.
    `before`: the day on which the validation before it ends, `expires` that of the new one.
    """

    __tablename__ = "domain_validation"
    __table_args__ = (
        # One validation of a domain at a time.
        Index(
            "domain_validation_open",
            "account_id",
            "domain",
            unique=True,
            postgresql_where=text("stage <> 'ended'"),
        ),
        Index("domain_validation_by_domain", "domain", "begun_at"),
        Index("domain_validation_by_command", "command_id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    domain: Mapped[DnsText]
    method: Mapped[ValidationMethod] = mapped_column(stored_by_value(ValidationMethod))
    # Name of the provider that was asked for, or that publishes. Of one by hand `withdrawn_at` is set from the
    # beginning: certline takes away what it has put in place, and nothing else.
    dns: Mapped[str | None]
    email: Mapped[str | None]
    stage: Mapped[ValidationStage] = mapped_column(
        stored_by_value(ValidationStage), default=ValidationStage.START
    )
    stage_since: Mapped[datetime] = mapped_column(server_default=func.now())
    tries: Mapped[int] = mapped_column(default=0)
    outcome: Mapped[ValidationOutcome | None] = mapped_column(stored_by_value(ValidationOutcome))
    error: Mapped[str | None]
    proof_name: Mapped[str | None]
    proof_value: Mapped[str | None]
    proof_at: Mapped[str | None]
    said: Mapped[str | None]
    before: Mapped[date | None]
    expires: Mapped[date | None]
    command_id: Mapped[str] = mapped_column(UUID(as_uuid=False))
    requested_by: Mapped[str]
    begun_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    published_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]
    submitted_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    @property
    def progress(self) -> ValidationProgress:
        """What is done of it."""
        return ValidationProgress(
            method=self.method,
            started=self.started_at is not None,
            has_proof=self.proof_value is not None,
            published=self.published_at is not None,
            seen=self.seen_at is not None,
            submitted=self.submitted_at is not None,
            is_over=self.outcome is not None,
            withdrawn=self.withdrawn_at is not None,
        )

    @property
    def by_hand(self) -> bool:
        """True if it is under way, and a person puts the proof in place."""
        return self.outcome is None and self.withdrawn_at is not None

    @property
    def waits_for(self) -> str | None:
        """What it waits for, in words; None if it has ended."""
        is_taken_away = self.outcome is not None and self.stage is ValidationStage.PUBLISH
        stage = ValidationStage.WITHDRAW if is_taken_away else self.stage
        return waits_for(self.method, stage, by_hand=self.by_hand)

    @property
    def needs_person(self) -> bool:
        """True if it waits for a person."""
        return waits_for_person(self.method, self.stage, by_hand=self.by_hand)

    @property
    def waits_until(self) -> datetime | None:
        """When its present stage has waited for too long, so that it fails; None for one that does not wait."""
        if self.stage not in WAITING or self.outcome is not None:
            return None
        return self.stage_since + patience(self.method, self.stage, by_hand=self.by_hand)

    @property
    def way_out(self) -> str:
        """What can be done about one that was begun with the wrong method, in words."""
        until = self.waits_until
        ends = (
            "it ends by itself"
            if until is None
            else f"it fails by itself on {until.astimezone(UTC):%Y-%m-%d}"
        )
        words = (
            f"A validation that has begun keeps its method ({self.method}): finish it, wait until {ends}, or "
            f"cancel it (certline domain cancel-validation {quote(self.domain)}); then begin another"
        )
        if self.submitted_at is None:
            return words
        cleared = "unless it is cleared in SCM's portal (Domains), too"
        return f"{words}. It was submitted: {cleared}, the other carries it on, by the same method"

    @property
    def is_adopted(self) -> bool:
        """True if it was submitted at SCM before it began here: its method and address are those that SCM has."""
        return self.submitted_at is not None and self.submitted_at == self.started_at

    @property
    def to_do(self) -> str | None:
        """What a person has to do so that it goes on; None if nobody has to do anything."""
        if not self.needs_person:
            return None
        if self.method is ValidationMethod.EMAIL:
            return f"Answer the mail that the CA has sent to {self.email}; certline then goes on by itself."
        what = PROOFS[self.method]
        proof = f"{what} {self.proof_name} with {self.proof_value}"
        return f"Make the {proof} by hand; certline goes on by itself once it is seen."

    def __repr__(self) -> str:
        return f"Validation({self.domain!r}, {self.id}, {self.stage!s})"


def go_on(db: Session, row: Validation) -> None:
    """Set the stage that comes next after what was just done, and its time."""
    now = clock(db)
    row.stage = next_stage(row.progress)
    row.stage_since, row.tries = now, 0
    if row.stage is ValidationStage.ENDED:
        row.ended_at = now


def begin_validation(
    db: Session,
    account_id: int,
    domain: str,
    *,
    method: ValidationMethod,
    dns: str | None,
    email: str | None,
    before: date | None,
    command_id: str,
    requested_by: Identity,
) -> Validation:
    """Return the open validation of a domain: a new one, or the one that is under way already.

    Whose it is, its `command_id` says.
    """
    row = {
        "id": new_id(),
        "account_id": account_id,
        "domain": domain,
        "method": method,
        "dns": dns,
        "email": email,
        "stage": ValidationStage.START,
        "tries": 0,
        "before": before,
        "command_id": command_id,
        "requested_by": str(requested_by),
    }
    found = None
    while found is None:  # again if the one under way ended between the insert and the lookup
        statement = insert(Validation).values(**row).on_conflict_do_nothing().returning(Validation)
        found = db.scalars(statement).first() or open_validation(db, account_id, domain)
    return found


def open_validation(db: Session, account_id: int, domain: str) -> Validation | None:
    """Return the validation of a domain that is under way, or None."""
    query = select(Validation).where(
        Validation.account_id == account_id,
        Validation.domain == domain,
        Validation.stage != ValidationStage.ENDED,
    )
    return db.scalars(query).first()


def locked_validation(db: Session, own_id: str) -> Validation:
    """Lock a validation and return it as it is now."""
    return db.get_one(Validation, own_id, with_for_update=True, populate_existing=True)


def validation_of_command(db: Session, command_id: str) -> Validation | None:
    """Return the validation that a command has begun, or None."""
    return db.scalars(select(Validation).filter_by(command_id=command_id)).first()


def last_validated(db: Session, account_id: int, domain: str, since: datetime) -> Validation | None:
    """Return the newest validation of a domain that was completed since a moment, or None."""
    query = select(Validation).where(
        Validation.account_id == account_id,
        Validation.domain == domain,
        Validation.outcome == ValidationOutcome.VALIDATED,
        Validation.ended_at >= since,
    )
    return db.scalars(query.order_by(Validation.ended_at.desc())).first()


def validations_of(db: Session, account_id: int, domain: str, most: int) -> list[Validation]:
    """Return the validations of a domain of an account, the newest first, `most` at most."""
    query = select(Validation).filter_by(account_id=account_id, domain=domain)
    return list(db.scalars(query.order_by(Validation.begun_at.desc()).limit(most)))


def open_validations(db: Session) -> list[Validation]:
    """Return all validations that are under way, the oldest first."""
    query = select(Validation).where(Validation.stage != ValidationStage.ENDED)
    return list(db.scalars(query.order_by(Validation.begun_at)))
