"""Requests to validate domains: check them, and record a command for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from shlex import quote

from sqlalchemy.orm import Session

from certline.models import Account, Command, CommandType, Database
from certline.models.accounts.catalogue import Domain
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from certline.models.commands.payloads import ValidateCommand
from certline.models.database.session import clock
from certline.models.domains.provider import ProviderKind, provider_for, provider_named
from certline.models.domains.request import (
    FILES,
    require_domain,
    require_reach,
    unknown_provider,
    usual_method,
)
from certline.models.domains.scope import ends_of
from certline.models.domains.validation import Validation, open_validation
from certline.models.states import ValidationMethod
from certline.models.validation import BadCommandError
from certline.producers.requests.accounts import refuse_suspended

# Pause between the beginnings of validations that are requested together: the CA looks at each of them, and all
# calls to SCM share one rate limit with polls and fetches.
PACE = timedelta(seconds=2)


@dataclass(frozen=True)
class PlannedValidation:
    """A validation as it would be done. `dns`: the provider that publishes the proof; None: a person does.

    `domain`: the domain that is validated, which may be above the one that was named. `going`: the command of the
    validation of this domain that is under way, and not of one that is over whose proof is being taken away: a new
    command waits for that. `lasts`: True if its present validation lasts for longer than `within`, as last synced,
    so that nothing is done.
    """

    wanted: ValidateCommand
    account: str
    domain: str
    method: ValidationMethod
    dns: str | None
    expires: date | None
    going: Command | None
    lasts: bool


def plan_validations(
    database: Database, wanted: Sequence[ValidateCommand]
) -> list[PlannedValidation]:
    """Check validations without requesting them. Raises BadCommandError with the problems of all of them."""
    with database.transaction() as db:
        return _planned(db, wanted)


def request_validations(
    database: Database, wanted: Sequence[ValidateCommand], *, requested_by: Identity
) -> list[Command]:
    """Record a command for each domain, or return the one that validates it already; a domain once only.

    Raises BadCommandError, and SuspendedError if the account of one is suspended.
    """
    with database.transaction() as db:
        planned = {(each.account, each.domain): each for each in _planned(db, wanted)}
        commands, after = [], timedelta(0)
        for each in planned.values():
            if each.going is not None:
                commands.append(each.going)
                continue
            commands.append(_accepted(db, each, requested_by, after))
            after += PACE
        return commands


def _accepted(
    db: Session, planned: PlannedValidation, requested_by: Identity, after: timedelta
) -> Command:
    payload = planned.wanted.model_dump(mode="json", exclude_defaults=True)
    payload |= {"domain": planned.domain, "account": planned.account}
    command, _ = accept(
        db,
        CommandType.VALIDATE,
        payload,
        requested_by=requested_by,
        source="cli",
        subject=planned.domain,
        after=after,
    )
    return command


def _planned(db: Session, wanted: Sequence[ValidateCommand]) -> list[PlannedValidation]:
    planned, problems = [], []
    for each in wanted:
        try:
            account, domain, rows = require_domain(db, each.domain, each.account)
            refuse_suspended(account)
            planned.append(_plan(db, each, account, domain, rows))
        except BadCommandError as bad:
            problems += bad.problems
    if problems:
        raise BadCommandError(list(dict.fromkeys(problems)))
    return planned


def _plan(
    db: Session, wanted: ValidateCommand, account: Account, domain: str, rows: Sequence[Domain]
) -> PlannedValidation:
    method = ValidationMethod(wanted.method or usual_method(db, domain, rows))
    dns = _provider_of(db, wanted, domain, method)
    open_row, expires = open_validation(db, account.id, domain), ends_of(rows)
    going = open_row if open_row is not None and open_row.outcome is None else None
    if going is not None:
        _require_same(wanted, going)
    return PlannedValidation(
        wanted=wanted,
        account=account.name,
        domain=domain,
        method=method,
        dns=dns,
        expires=expires,
        going=None if going is None else db.get(Command, going.command_id),
        lasts=going is None and _lasts(db, wanted, expires),
    )


def _lasts(db: Session, wanted: ValidateCommand, expires: date | None) -> bool:
    """Return True if the present validation lasts for longer than what was asked for."""
    if wanted.within is None or expires is None:
        return False
    return expires > clock(db).astimezone(UTC).date() + timedelta(days=wanted.within)


def _require_same(wanted: ValidateCommand, going: Validation) -> None:
    """Raise BadCommandError if another method or address is asked for than that of the validation under way."""
    other = wanted.method not in (None, going.method.value)
    if other or wanted.email not in (None, going.email):
        problem = f"domain: {going.domain} is being validated already, by {going.method}"
        show = f"What it waits for: certline domain show {quote(going.domain)}"
        raise BadCommandError([f"{problem} (command {going.command_id}). {going.way_out}. {show}"])


def _provider_of(
    db: Session, wanted: ValidateCommand, domain: str, method: ValidationMethod
) -> str | None:
    """Return the name of the provider that will publish the proof. Raises BadCommandError if it cannot."""
    if method is ValidationMethod.EMAIL:
        return None
    record = method not in FILES
    if wanted.dns is None:
        found = provider_for(db, domain, record=record)
        return None if found is None or found.kind is ProviderKind.MANUAL else found.name
    named = provider_named(db, wanted.dns)
    if named is None:
        raise BadCommandError([unknown_provider(db, wanted.dns)])
    require_reach(named, domain, method)
    return named.name
