"""Cancellation of validations by a person: those under way, and those that are asked for and have not begun."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models import Account, Command, CommandStatus, CommandType, Database
from certline.models.accounts.account import account_for, accounts
from certline.models.accounts.catalogue import domains
from certline.models.audit.identity import Identity
from certline.models.commands.answers import fail
from certline.models.commands.command import hasten
from certline.models.commands.payloads import ValidateCommand, read_payload
from certline.models.domains.outcome import cancel_validation
from certline.models.domains.provider import provider_for, provider_named
from certline.models.domains.request import FILES, begin_for_command, domain_meant, usual_method
from certline.models.domains.scope import validated_for
from certline.models.domains.validation import (
    Validation,
    locked_validation,
    open_validation,
    open_validations,
    validation_of_command,
)
from certline.models.host_names import at_and_above, same_host
from certline.models.states import ValidationMethod, ValidationStage

# Stages in which certline has put a proof in place, or may have.
PUT_IN_PLACE = frozenset({ValidationStage.PUBLISH, ValidationStage.WITHDRAW})


class NothingToCancelError(Exception):
    """No validation of the domain is under way, or it is over; the text says which."""


@dataclass(frozen=True)
class CancelledValidation:
    """A validation that was cancelled. `withdraws`: a worker takes its proof away, or looks whether it is there.

    `proof`: what becomes of its proof, in words; `at_scm`: what remains at SCM; `commands`: those that end with
    it, its own first; `is_shared`: other accounts have the domain, too.
    """

    account: str
    domain: str
    validation_id: str | None
    withdraws: bool
    proof: str
    at_scm: str
    commands: Sequence[str]
    is_shared: bool


def cancel_validations(
    database: Database,
    names: Sequence[str],
    *,
    account: str | None = None,
    reason: str | None = None,
    who: Identity,
) -> list[CancelledValidation]:
    """Cancel the validations of domains, all of them or none: also those that wait for their turn.

    A worker takes away what was put in place, and ends the command. Raises NothingToCancelError, and
    BadCommandError for a domain that is not known, or that several accounts have.
    """
    why = f"cancelled by {who}" + (f": {reason}" if reason else "")
    with database.transaction() as db:
        # In one order, so that two people who cancel the same domains do not wait for each other.
        found = sorted({_meant(db, name, account) for name in names})
        owners = {each.id: each for each in accounts(db, removed=True)}
        return [_cancelled(db, owners[own_id], domain, why, who) for own_id, domain in found]


def _meant(db: Session, name: str, account: str | None) -> tuple[int, str]:
    """Return the account's id and the domain whose validation is meant by a name.

    One that is under way is found by itself: SCM may have dropped the domain meanwhile.
    """
    chosen = None if account is None else account_for(db, account).id
    above = set(at_and_above(same_host(name.removeprefix("*."))))
    going = {
        (row.account_id, row.domain)
        for row in open_validations(db)
        if row.domain in above and chosen in (None, row.account_id)
    }
    if len(going) == 1:
        return going.pop()
    owner, domain, _ = domain_meant(db, name, account)
    return owner.id, domain


def _cancelled(
    db: Session, account: Account, domain: str, why: str, who: Identity
) -> CancelledValidation:
    going = open_validation(db, account.id, domain)
    at_scm = None if going is None else _cancel_under_way(db, going, why, who)
    waiting = [_lock(db, each) for each in _waiting(db, account, domain)]
    queued = [each for each in waiting if _may_be_ended(db, each)]
    if going is None and queued:
        going, at_scm = _cancel_before_it_began(db, account, queued[0], domain, why=why, who=who)
    row = None if at_scm is None else going
    for command in queued:
        fail(db, command, why if row is None or row.error is None else row.error)
    if row is None and not queued:
        raise NothingToCancelError(
            f"{domain} is not being validated"
            if going is None
            else f"the validation of {domain} is over ({going.outcome}), and its proof is being taken away"
        )
    own = [] if row is None else [row.command_id]
    keeper = None if row is None else _keeper(db, row)
    return CancelledValidation(
        account=account.name,
        domain=domain,
        validation_id=None if row is None else row.id,
        withdraws=row is not None and row.stage in PUT_IN_PLACE and keeper is None,
        proof=_proof(row, keeper),
        at_scm=at_scm or "nothing was begun for what waited",
        commands=list(dict.fromkeys(own + [each.id for each in queued])),
        is_shared=_is_shared(db, domain),
    )


def _cancel_under_way(db: Session, going: Validation, why: str, who: Identity) -> str | None:
    """Cancel a validation that has begun, and wake a worker for what is left.

    Returns what remains at SCM, or None if it was over.
    """
    # The command first, as a worker locks them.
    command = _lock(db, going.command_id)
    row = locked_validation(db, going.id)
    if row.outcome is not None:
        return None
    at_scm = _at_scm(row)
    cancel_validation(db, row, f"{why}. At SCM: {at_scm}", who)
    if command.status is CommandStatus.QUEUED:
        hasten(db, command)
    return at_scm


def _cancel_before_it_began(
    db: Session, account: Account, command: Command, domain: str, *, why: str, who: Identity
) -> tuple[Validation, str | None]:
    """Store a validation that ends as it begins, so that none is begun by itself at once in its place.

    Returns it, or the one that another command has begun meanwhile, and what remains at SCM.
    """
    wanted = read_payload(ValidateCommand, command.payload)
    rows = validated_for(domain, domains(db, account.id))
    method = ValidationMethod(wanted.method or usual_method(db, domain, rows))
    row = begin_for_command(
        db, command, wanted, account_id=account.id, domain=domain, rows=rows, method=method
    )
    if row.command_id != command.id:
        return row, _cancel_under_way(db, row, why, who)
    cancel_validation(db, row, f"{why}, before it had begun", who)
    return row, _at_scm(row)


def _keeper(db: Session, row: Validation) -> str | None:
    """Return the name of the provider that keeps the proofs it has put in place, if it is one of those."""
    if row.stage not in PUT_IN_PLACE:
        return None
    found = (
        provider_named(db, row.dns or "")
        if row.stage is ValidationStage.WITHDRAW
        else provider_for(db, row.domain, row.dns, record=row.method not in FILES)
    )
    return found.name if found is not None and found.settings.get("keep") else None


def _proof(row: Validation | None, keeper: str | None) -> str:
    """Return what becomes of the proof, in words. `row`: None if only commands behind an ended validation end."""
    if row is None:
        return "The validation before it is over, and its proof is being taken away"
    if keeper is not None:
        return f"What was put in place stays there, as the provider {keeper} keeps it"
    if row.stage in PUT_IN_PLACE:
        return "A worker takes away what was put in place"
    return "certline has put nothing in place"


def _is_shared(db: Session, domain: str) -> bool:
    """Return True if several accounts have a domain, so that a name alone does not say whose is meant."""
    having = [each for each in accounts(db) if validated_for(domain, domains(db, each.id))]
    return len(having) > 1


def _waiting(db: Session, account: Account, domain: str) -> Iterator[str]:
    """Yield the ids of the commands that wait to validate a domain, the oldest first."""
    query = (
        select(Command.id, Command.payload)
        .where(Command.type == CommandType.VALIDATE, Command.status == CommandStatus.QUEUED)
        .order_by(Command.created_at, Command.id)
    )
    for own_id, payload in db.execute(query):
        host = same_host(str(payload.get("domain") or "").removeprefix("*."))
        if domain in at_and_above(host) and payload.get("account") in (None, account.name):
            yield own_id


def _may_be_ended(db: Session, command: Command) -> bool:
    """Return True if a locked command has not begun, so that none can begin it any more."""
    is_queued = command.status is CommandStatus.QUEUED
    return is_queued and validation_of_command(db, command.id) is None


def _lock(db: Session, command_id: str) -> Command:
    return db.get_one(Command, command_id, with_for_update=True, populate_existing=True)


def _at_scm(row: Validation) -> str:
    """Return what remains at SCM of a validation that is cancelled now.

    SCM's document names a call to clear a validation, and does not say what it leaves of the one before, so it is
    not made.
    """
    how = (
        "the mail can still be answered"
        if row.method is ValidationMethod.EMAIL
        else "the CA may still find the proof until it is gone"
    )
    cleared = "unless it is cleared in SCM's portal (Domains) before"
    goes_on = f"the next validation carries it on, by {row.method}, {cleared}"
    if row.submitted_at is not None:
        return f"it stays submitted ({how}); a sync shows if it was completed, {goes_on}"
    if row.stage is ValidationStage.SUBMIT:
        # A worker may be at it, or the answer to an earlier try was lost.
        return f"it may have been submitted ({how}); a sync shows if it was completed, and if so, {goes_on}"
    if row.started_at is not None:
        return "it stays started, which asks nothing of the CA; the next validation begins anew"
    return "nothing is known to have begun there"
