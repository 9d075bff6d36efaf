"""Requests to validate: the account and the domain that are meant, and how it is proven if nobody says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from certline.models.accounts.account import Account, account_for, accounts
from certline.models.accounts.catalogue import Domain, domains
from certline.models.domains.provider import (
    DnsProvider,
    ProviderKind,
    choose,
    lies_in,
    provider_for,
    providers,
)
from certline.models.domains.scope import ends_of, validated_for
from certline.models.domains.validation import Validation, begin_validation
from certline.models.orders.domain_rules import bare_name, is_suspended
from certline.models.states import ValidationMethod, ValidationStage
from certline.models.validation import BadCommandError

if TYPE_CHECKING:
    from certline.models.commands.command import Command
    from certline.models.commands.payloads import ValidateCommand

# Methods whose proof is a file on a web server.
FILES = frozenset({ValidationMethod.HTTP, ValidationMethod.HTTPS})
# SCM's words for the method of a domain's last validation (SCM document: domains).
_SCM_METHODS = {
    "cnamecsrhash": ValidationMethod.CNAME,
    "dnstxtrandomvalue": ValidationMethod.TXT,
    "httpcsrhash": ValidationMethod.HTTP,
    "httpscsrhash": ValidationMethod.HTTPS,
}

# Stages before a proof is put in place; older hosts of SCM name a TXT record only in their answer to a submission.
_BEFORE_PROOF = frozenset({ValidationStage.START, ValidationStage.PUBLISH, ValidationStage.SUBMIT})


def method_before(word: str | None) -> ValidationMethod | None:
    """Return how a domain was validated, given SCM's word for it; None if that is unknown, or was e-mail."""
    return _SCM_METHODS.get((word or "").replace("_", "").lower())


def require_domain(
    db: Session, name: str, account: str | None
) -> tuple[Account, str, Sequence[Domain]]:
    """Return what `domain_meant` does, of a domain that can be validated.

    Raises BadCommandError also if it is suspended.
    """
    owner, domain, rows = domain_meant(db, name, account)
    if all(is_suspended(row) for row in rows):
        raise BadCommandError(
            [f"domain: {domain} is suspended at SCM; it has to be activated there first"]
        )
    return owner, domain, rows


def domain_meant(
    db: Session, name: str, account: str | None
) -> tuple[Account, str, Sequence[Domain]]:
    """Return the account, the domain that is validated for a name, and its rows.

    Without an account the only one that has such a domain is meant. Raises BadCommandError if it is unknown, or if
    several accounts have it.
    """
    chosen = [account_for(db, account)] if account is not None else accounts(db)
    found = [(each, rows) for each in chosen if (rows := validated_for(name, domains(db, each.id)))]
    if not found:
        if not chosen:
            account_for(db, None)  # raises: there is none
        raise BadCommandError(
            [
                f"domain: {name} is in no domain of SCM's, as last synced (certline domain list, certline sync)"
            ]
        )
    if len(found) > 1:
        names = ", ".join(each.name for each, _ in found)
        raise BadCommandError([f"account: {name} is a domain of several ({names}); say which one"])
    owner, rows = found[0]
    return owner, bare_name(rows[0]), rows


def usual_method(
    db: Session,
    domain: str,
    rows: Sequence[Domain],
    among: Sequence[DnsProvider] | None = None,
) -> ValidationMethod:
    """Return how a domain is validated if nobody says: as it was before if that can be repeated, or by CNAME.

    A file can be put in place again only where a provider serves the domain's files. `among`: all providers, where
    they are known already.
    """
    before = next(filter(None, (method_before(row.validation_method) for row in rows)), None)
    if before is None:
        return ValidationMethod.CNAME
    if before not in FILES:
        return before
    known = providers(db) if among is None else among
    return ValidationMethod.CNAME if choose(known, domain, record=False) is None else before


def begin_for_command(
    db: Session,
    command: Command,
    wanted: ValidateCommand,
    *,
    account_id: int,
    domain: str,
    rows: Sequence[Domain],
    method: ValidationMethod,
) -> Validation:
    """Begin the validation that a command asks for, or return the one that another command has begun.

    `rows`: the domain's entries in SCM's list; `method`: how it is validated, also if the command does not say.
    """
    return begin_validation(
        db,
        account_id,
        domain,
        method=method,
        dns=wanted.dns,
        email=wanted.email,
        before=ends_of(rows),
        command_id=command.id,
        requested_by=command.requester,
    )


def unknown_provider(db: Session, name: str) -> str:
    """Return the problem of a provider that is not known, with those that are."""
    known = ", ".join(each.name for each in providers(db)) or "none yet (certline dns add)"
    return f"dns: {name!r} is no provider; there are: {known}"


def require_reach(provider: DnsProvider, domain: str, method: ValidationMethod) -> None:
    """Raise BadCommandError if a provider that was named cannot put the proof of a domain in place."""
    is_file = method in FILES
    if not provider.can(record=not is_file):
        kind = "files" if is_file else "records of the DNS"
        raise BadCommandError([f"dns: {provider.name!r} ({provider.kind}) writes no {kind}"])
    if any(lies_in(domain, zone) for zone in provider.zones):
        return
    zones = ", ".join(provider.zones)
    alias = "" if is_file else ", which also follows an alias (CNAME) of the record into them"
    problem = f"dns: {domain} lies in none of the zones of {provider.name!r} ({zones})"
    what = f"Leave the provider out{alias}, or name one whose zones contain it: certline dns list"
    raise BadCommandError([f"{problem}. {what}"])


def will_wait_for_person(db: Session, row: Validation) -> bool:
    """Return True if a validation has no proof in place yet, and no provider would put it there by itself.

    An alias of the record may still lead into the zone of a provider; that is known once SCM has named the record.
    """
    is_over = row.published_at is not None or row.outcome is not None
    if row.method is ValidationMethod.EMAIL or is_over or row.stage not in _BEFORE_PROOF:
        return False
    found = provider_for(db, row.domain, row.dns, record=row.method not in FILES)
    return found is None or found.kind is ProviderKind.MANUAL
