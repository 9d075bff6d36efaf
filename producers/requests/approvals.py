"""Requests about approvals: what needs a second person, and that person's decisions."""

from collections.abc import Collection

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from certline.models import Approval, ApprovalRule, Command, CommandStatus, Database
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.commands.answers import fail
from certline.models.commands.approval import (
    Guard,
    in_words,
    note,
    permit,
    rule_of,
)
from certline.models.commands.command import hasten
from certline.models.commands.idempotency import known_id
from certline.models.commands.wake_up import emit_wake_up
from certline.models.database.session import clock
from certline.models.validation import USUAL_ABOVE


class SamePersonError(Exception):
    """Whoever asked for something must not decide about it."""


class NothingToDecideError(Exception):
    """There is no such request, or it was decided before."""


def approve(database: Database, name: str, *, who: Identity) -> Approval:
    """Approve what another person has asked for: a held command is due now, the rest may be done once.

    The command's wake-up is written in the same transaction. Raises SamePersonError, which is recorded too,
    NothingToDecideError, and BadCommandError if `name` is not a UUID.
    """
    with database.transaction() as db:
        found = _to_decide(db, name)
        command = _held_command(db, found)
        own = not _may_decide(db, found, who, "approve")
        if not own:
            _decide(db, found, who, approved=True)
            if command is not None:
                _release(db, command)
    if own:
        raise _same_person(found, "approve")
    return found


def decline(database: Database, name: str, *, who: Identity, reason: str) -> Approval:
    """Decline what another person has asked for; a held command fails. Raises what `approve` raises."""
    with database.transaction() as db:
        found = _to_decide(db, name)
        command = _held_command(db, found)
        own = not _may_decide(db, found, who, "decline")
        if not own:
            _decide(db, found, who, approved=False, reason=reason)
            if command is not None:
                fail(db, command, f"declined by {who}: {reason}")
    if own:
        raise _same_person(found, "decline")
    return found


def change_rule(
    database: Database, required: Collection[Guard], above: int | None, *, who: Identity
) -> Approval | None:
    """Set what needs an approval from now on. `above`: as before, or USUAL_ABOVE, if not given.

    A weaker rule needs an approval itself: returns the one that it waits for, None if the rule was changed.
    """
    with database.transaction() as db:
        db.execute(
            insert(ApprovalRule)
            .values(id=1, required=[], above=USUAL_ABOVE, changed_by=str(who))
            .on_conflict_do_nothing()
        )
        rule = rule_of(db, lock=True)
        assert rule is not None  # noqa: S101  # inserted above, and never deleted
        names = sorted(guard.value for guard in required)
        most = rule.above if above is None else above
        before = rule.in_words()
        if _is_weaker(rule, names, most):
            request = f"approval require {in_words(names, most)}" if names else "approval off"
            waits = permit(db, Guard.RULE, request, who)
            if waits is not None:
                return waits
        if (rule.required, rule.above) == (names, most):
            return None
        rule.required, rule.above = names, most
        rule.changed_by, rule.changed_at = str(who), clock(db)
        facts = {"before": before, "after": rule.in_words()}
        record(db, "approval.rule_changed", "approval", who=who, **facts)
    return None


def _is_weaker(rule: ApprovalRule, names: Collection[str], above: int) -> bool:
    many = Guard.REVOKE_MANY.value
    more = many in rule.required and many in names and above > rule.above
    return more or bool(set(rule.required) - set(names))


def _to_decide(db: Session, name: str) -> Approval:
    """Lock and return what waits for a decision. Raises NothingToDecideError."""
    identity = known_id(name)
    found = db.get(Approval, identity, with_for_update=True)
    if found is None:
        raise NothingToDecideError(
            f"{identity} does not wait for an approval: certline approval show"
        )
    if found.approved is not None:
        word = "approved" if found.approved else "declined"
        raise NothingToDecideError(f"{found.request} was {word} by {found.decided_by}")
    return found


def _held_command(db: Session, found: Approval) -> Command | None:
    """Lock and return the command that waits; None if it is none. Raises NothingToDecideError if it has ended."""
    if not found.of_command:
        return None
    command = db.get(Command, found.id, with_for_update=True)
    if command is None or command.status is not CommandStatus.HELD:
        state = "gone" if command is None else command.status.value
        raise NothingToDecideError(f"command {found.id} is {state}: it waits for nobody any more")
    return command


def _may_decide(db: Session, found: Approval, who: Identity, what: str) -> bool:
    """Return whether somebody is another person, who is known; record it if not."""
    if who.is_somebody and who.name != found.requested_by:
        return True
    note(db, "refused", found, who, decision=what)
    return False


def _decide(
    db: Session, found: Approval, who: Identity, *, approved: bool, reason: str | None = None
) -> None:
    found.approved, found.decided_by, found.decided_at = approved, str(who), clock(db)
    found.reason = reason
    note(db, "approved" if approved else "declined", found, who, reason=reason)


def _release(db: Session, command: Command) -> None:
    """Make a held command due, now or when it was to run, and wake a worker."""
    command.status, command.error = CommandStatus.QUEUED, None
    now = clock(db)
    if command.not_before > now:
        command.touched_at = now
        emit_wake_up(db, command.type, command.id, after=command.not_before - now)
    else:
        hasten(db, command)


def _same_person(found: Approval, what: str) -> SamePersonError:
    return SamePersonError(
        f"{found.request} was requested by {found.requester}: only somebody else can {what} it"
    )
