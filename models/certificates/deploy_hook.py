"""Deploy hooks: files written and a command run on the worker's machine once a certificate is stored."""

import re
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import PurePath

from sqlalchemy import CheckConstraint, ForeignKey, Index, Select, exists, func, select, text
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from certline.models.accounts.account import Account
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.certificates.certificate import Certificate
from certline.models.certificates.command_line import problems_with_command_line
from certline.models.commands.command import Command, accept
from certline.models.database.base import Base, new_id
from certline.models.states import CertificateStatus, CommandStatus, CommandType
from certline.models.validation import MOST_TIMEOUT, USUAL_TIMEOUT, BadCommandError

# The events that can start a hook (docs/events.md), by the word that a user types.
HOOK_EVENTS = {
    "stored": "certificate.stored",
    "renewed": "certificate.renewed",
    "reissued": "certificate.reissued",
}
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
# Namespace for the ids of automatic runs: derived from hook and certificate, so each pair runs once.
_RUNS = uuid.UUID("7f6f1a5e-0d0c-5c41-9a3d-6d0a6f6b1c07")
# Conditions: the last attempt failed. Waiting for a run of the same hook sets an error, but no attempt.
HAS_FAILED = (Command.error.is_not(None), Command.attempts > 0)


# Runs that have not succeeded are few, whatever the number of those that have.
Index(
    "command_hook_failed",
    Command.created_at,
    postgresql_where=text("type = 'hook' AND status <> 'done' AND error IS NOT NULL"),
)

# Key of `Session.info`: the hooks, as the transaction has found them.
HOOKS = "hooks"


class Hook(Base):
    """Deploy hook: what is done on the worker's machine once a certificate is stored. Added by an operator."""

    __tablename__ = "hook"
    __table_args__ = (
        CheckConstraint("cardinality(events) > 0", name="waits_for_something"),
        CheckConstraint("command IS NOT NULL OR directory IS NOT NULL", name="does_something"),
        CheckConstraint(f"timeout BETWEEN 1 AND {MOST_TIMEOUT}", name="ends_in_time"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(unique=True)
    events: Mapped[list[str]]
    # A program with its arguments, split as in a shell, but run without one.
    command: Mapped[str | None]
    directory: Mapped[str | None]
    # Seconds.
    timeout: Mapped[int] = mapped_column(default=USUAL_TIMEOUT)
    # Restrict the hook to common names that match (`*`: any characters), and to one account; None: no limit.
    common_name: Mapped[str | None]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


def concerns(hook: Hook, event: str, common_name: str, account_id: int) -> bool:
    """Return True if the hook reacts to the event for a certificate of this name and account."""
    return (
        event in hook.events
        and hook.account_id in (None, account_id)
        and (hook.common_name is None or _is_like(common_name, hook.common_name))
    )


def _is_like(name: str, pattern: str) -> bool:
    parts = (re.escape(part) for part in pattern.lower().split("*"))
    return re.fullmatch(".*".join(parts), name.lower()) is not None


def hooks(db: Session) -> list[Hook]:
    """Return all hooks by name."""
    return list(db.scalars(select(Hook).order_by(Hook.name)))


def hook_named(db: Session, name: str) -> Hook | None:
    """Return the hook of that name, or None."""
    return db.scalars(select(Hook).where(Hook.name == name)).first()


def start_hooks(
    db: Session,
    event: str,
    certificate_id: str,
    *,
    requested_by: Identity,
    correlation_id: str | None,
) -> list[Command]:
    """Start the hooks that react to this event, in the transaction that publishes it. Returns their commands.

    A hook that reacts to two events of one certificate (stored and renewed) runs once, as both lead to the
    same command id.
    """
    if HOOKS not in db.info:  # asked once in a transaction, which may publish two such events
        db.info[HOOKS] = hooks(db)
    waiting: list[Hook] = [hook for hook in db.info[HOOKS] if event in hook.events]
    if not waiting:
        return []
    certificate = db.get_one(Certificate, certificate_id)
    return [
        run_hook(
            db,
            hook,
            certificate,
            requested_by=requested_by,
            correlation_id=correlation_id,
            command_id=str(uuid.uuid5(_RUNS, f"{hook.id} {certificate.id}")),
        )
        for hook in waiting
        if concerns(hook, event, certificate.common_name, certificate.account_id)
    ]


def run_hook(
    db: Session,
    hook: Hook,
    certificate: Certificate,
    *,
    requested_by: Identity,
    correlation_id: str | None = None,
    command_id: str | None = None,
) -> Command:
    """Start a run of a hook for a certificate. Returns its command."""
    from certline.models.commands.payloads import HookCommand

    payload = HookCommand(
        hook=hook.id,
        name=hook.name,
        certificate=certificate.id,
        common_name=certificate.common_name,
    )
    command, _ = accept(
        db,
        CommandType.HOOK,
        payload.model_dump(exclude_none=True),
        requested_by=requested_by,
        source="certline",
        subject=certificate.id,
        correlation_id=correlation_id,
        command_id=command_id,
    )
    return command


def runs_listed(
    *, name: str | None = None, statuses: Sequence[str] = (), failed: bool = False
) -> Select[Command]:
    """Return a query for the runs of all hooks, or of hook `name`; `failed`: those whose last attempt failed."""
    query = select(Command).where(Command.type == CommandType.HOOK)
    if name is not None:
        query = query.where(Command.payload["name"].as_string() == name)
    if statuses:
        query = query.where(Command.status.in_(statuses))
    return query.where(*HAS_FAILED) if failed else query


def any_run_done(db: Session, name: str) -> bool:
    """Return True if a run of the hook of that name is recorded as done."""
    question = select(Command.id).where(
        Command.type == CommandType.HOOK,
        Command.status == CommandStatus.DONE,
        Command.payload["name"].astext == name,
    )
    return db.scalar(question.limit(1)) is not None


def runs_that_matter(db: Session) -> list[Command]:
    """Return the runs whose last attempt failed, the oldest first, whether or not they are retried.

    Left out are runs that no longer matter: the hook was removed, the certificate is no longer active, or
    a later run of the same hook and certificate is done.
    """
    later = aliased(Command)
    done_since = exists().where(
        later.type == CommandType.HOOK,
        later.subject == Command.subject,
        later.payload["hook"].as_string() == Command.payload["hook"].as_string(),
        later.status == CommandStatus.DONE,
        later.created_at > Command.created_at,
    )
    failed = (
        select(Command)
        .join(Certificate, Certificate.id == Command.subject)
        .join(Hook, Hook.id == Command.payload["hook"].as_string())
        .where(
            Command.type == CommandType.HOOK,
            Command.status != CommandStatus.DONE,
            *HAS_FAILED,
            Certificate.status == CertificateStatus.ACTIVE,
            ~done_since,
        )
    )
    return list(db.scalars(failed.order_by(Command.created_at, Command.id)))


def hook_backlog(db: Session) -> float:
    """Return for how many seconds the oldest run that is due has waited; 0 if none is due."""
    due = (Command.type == CommandType.HOOK, Command.status == CommandStatus.QUEUED)
    age = func.extract("epoch", func.now() - func.min(Command.not_before))
    return float(db.scalar(select(age).where(*due, Command.not_before <= func.now())) or 0)


def add_hook(
    db: Session,
    name: str,
    events: Sequence[str],
    *,
    who: Identity,
    command: str | None = None,
    directory: str | None = None,
    timeout: int = USUAL_TIMEOUT,
    common_name: str | None = None,
    account: Account | None = None,
) -> Hook:
    """Add a hook; `timeout` is in seconds. Raises BadCommandError, which names each problem."""
    wrong = problems_with(name, events, command, directory, timeout)
    if hook_named(db, name) is not None:
        wrong.append(f"name: there is a hook {name!r} already")
    if wrong:
        raise BadCommandError(wrong)
    hook = Hook(
        name=name,
        events=sorted(set(events)),
        command=command,
        directory=directory,
        timeout=timeout,
        common_name=None if common_name is None else common_name.lower(),
        account_id=None if account is None else account.id,
        created_by=str(who),
    )
    db.add(hook)
    record(
        db,
        "hook.added",
        name,
        who=who,
        events=hook.events,
        command=command,
        directory=directory,
        timeout=timeout,
    )
    db.flush()
    return hook


def remove_hook(db: Session, hook: Hook, *, who: Identity) -> None:
    """Remove a hook. Its queued runs are skipped when they find it gone; files it has written stay."""
    record(db, "hook.removed", hook.name, who=who)
    db.delete(hook)


def problems_with(
    name: str, events: Sequence[str], command: str | None, directory: str | None, timeout: int
) -> list[str]:
    """Return the problems of a hook that is to be added; each begins with the option's name."""
    wrong = [
        f"on: {event!r} is not an event of hooks; there are {', '.join(HOOK_EVENTS)}"
        for event in events
        if event not in HOOK_EVENTS.values()
    ]
    if not NAME.fullmatch(name):
        wrong.append(f"name: {name!r} should be lower-case letters, digits, hyphens; 63 at most")
    if not events:
        wrong.append("on: no event is given")
    if command is None and directory is None:
        wrong.append("command: either a command or a directory is required")
    if command is not None:
        wrong += [f"command: {problem}" for problem in problems_with_command_line(command)]
    wrong += _wrong_with_directory(directory)
    if not 1 <= timeout <= MOST_TIMEOUT:
        wrong.append(f"timeout: should be 1 to {MOST_TIMEOUT} seconds")
    return wrong


def _wrong_with_directory(directory: str | None) -> Iterator[str]:
    if directory is None:
        return
    if not PurePath(directory).is_absolute() or "\0" in directory:
        yield f"directory: {directory!r} should be an absolute path"
