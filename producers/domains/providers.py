"""Management of the providers of proofs; each change writes an audit entry in the same transaction."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from certline.models import Command, CommandType, Database, DnsProvider, ProviderKind
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.commands.command import accept
from certline.models.commands.payloads import DnsTestCommand
from certline.models.database.base import new_id
from certline.models.domains.provider import canonical, lies_in, provider_named, seal_credentials
from certline.models.domains.under_way import domains_using
from certline.models.host_names import ascii_form, label_problem
from certline.models.validation import BadCommandError
from certline.models.vault import Vault
from certline.workers.dns import DnsRefused, open_provider
from certline.workers.dns.lookup.resolution import host_and_port, is_address

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
# A label may begin with `_`, as that of a zone of proofs.
LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
LONGEST_NAME = 253
MOST_ZONES = 1_000
# Domains that an error names.
MOST_NAMED = 5
# Held while adding a provider: two of the same name must not be added at once. Readers are not blocked.
_LOCK = text("LOCK TABLE dns_provider IN SHARE ROW EXCLUSIVE MODE")


class ProviderThereError(Exception):
    """There is a provider of that name already."""


class NothingToTestError(Exception):
    """The provider is a person."""


class UnknownProviderError(Exception):
    """There is no provider of that name."""


class ProviderInUseError(Exception):
    """Validations use the provider, so it is only removed with `force`. `domains`: theirs, the oldest first."""

    def __init__(self, name: str, domains: Sequence[str]) -> None:
        self.domains = domains
        shown = ", ".join(domains[:MOST_NAMED])
        more = f" and {len(domains) - MOST_NAMED} more" if len(domains) > MOST_NAMED else ""
        validations = "validation of" if len(domains) == 1 else f"{len(domains)} validations:"
        super().__init__(f"provider {name!r} is used by the {validations} {shown}{more}")


def add_provider(
    database: Database,
    vault: Vault,
    name: str,
    kind: ProviderKind,
    zones: Sequence[str],
    *,
    settings: Mapping[str, Any],
    credentials: Mapping[str, str],
    who: Identity,
) -> DnsProvider:
    """Add a provider: proofs of names in its zones go there from now on. Nothing is sent.

    `settings` have nothing secret. Raises BadCommandError, naming everything that cannot be used, and
    ProviderThereError.
    """
    problems = list(_problems(name, settings))
    forms = []
    for zone in dict.fromkeys(zones):
        try:
            forms.append(zone_form(zone))
        except ValueError as bad:
            problems.append(f"zones: {bad}")
    if not zones:
        problems.append("zones: is missing; it may write below no name")
    if len(zones) > MOST_ZONES:
        problems.append(f"zones: {len(zones)} are given, and {MOST_ZONES} may be")
    if not problems:
        try:
            open_provider(kind.value, {**settings, "zones": forms}, credentials)
        except DnsRefused as bad:
            problems.append(str(bad))
    if problems:
        raise BadCommandError(problems)
    with database.transaction() as db:
        db.execute(_LOCK)
        if provider_named(db, name) is not None:
            raise ProviderThereError(f"there is a provider {name!r} already")
        provider = DnsProvider(
            id=new_id(),
            name=name,
            kind=kind,
            zones=sorted(set(forms)),
            settings_json=canonical(settings),
            requested_by=str(who),
        )
        if credentials:
            seal_credentials(vault, provider, credentials)
        db.add(provider)
        db.flush()
        facts = {"kind": kind.value, "zones": provider.zones, "settings": dict(settings)}
        record(db, "dns.added", name, who=who, provider=facts)
    return provider


def request_test(
    database: Database, name: str, domain: str | None = None, *, who: Identity
) -> Command:
    """Queue a test of a provider: a worker writes a record, looks for it, and removes it. Returns the command.

    `domain`: below which, in place of its first zone. Raises BadCommandError for one that it may not write below,
    NothingToTestError, UnknownProviderError.
    """
    with database.transaction() as db:
        provider = _locked(db, name)
        if provider.kind is ProviderKind.MANUAL:
            raise NothingToTestError(f"{name}: a person writes there, so there is nothing to try")
        below = None if domain is None else _form(domain)
        if below is not None and not any(lies_in(below, zone) for zone in provider.zones):
            raise BadCommandError(
                [f"domain: {domain} lies in none of {name}'s zones: {', '.join(provider.zones)}"]
            )
        command, _ = accept(
            db,
            CommandType.DNS_TEST,
            DnsTestCommand(provider=provider.id, domain=below).model_dump(exclude={"account"}),
            requested_by=who,
            source="cli",
            subject=provider.id,
        )
        record(db, "dns.tested", name, who=who, command_id=command.id)
        return command


def remove_provider(
    database: Database, name: str, *, who: Identity, force: bool = False
) -> list[str]:
    """Remove a provider with its credentials. What it has written stays.

    Returns the domains whose validations use it: with `force` it is removed all the same, and their proofs stay
    where they are. Raises UnknownProviderError, and ProviderInUseError if validations use it without `force`.
    """
    with database.transaction() as db:
        provider = _locked(db, name)
        used_by = domains_using(db, name)
        if used_by and not force:
            raise ProviderInUseError(name, used_by)
        facts = {"kind": provider.kind.value}
        record(db, "dns.removed", name, who=who, provider=facts, used_by=used_by)
        db.delete(provider)
    return used_by


def zone_form(zone: str) -> str:
    """Return the name of a zone in ASCII form, without a dot at its end. Raises ValueError, which says why not."""
    plain = zone.strip().rstrip(".")
    try:
        form = ascii_form(plain)
    except ValueError as error:
        raise ValueError(f"{zone!r}: {error}") from None
    if len(form) > LONGEST_NAME or not all(LABEL.fullmatch(label) for label in form.split(".")):
        raise ValueError(f"{zone!r} is no name of a zone, such as example.org")
    problem = label_problem(form)
    if problem is not None:
        raise ValueError(problem)
    return form


def _form(domain: str) -> str:
    try:
        return zone_form(domain)
    except ValueError as bad:
        raise BadCommandError([f"domain: {bad}"]) from None


def _problems(name: str, settings: Mapping[str, Any]) -> Iterator[str]:
    if not NAME.fullmatch(name):
        yield f"name: {name!r} should be lower-case letters, digits, - and _ (63 at most)"
    for key in ("resolvers", "nameservers"):
        for each in settings.get(key, ()):
            try:
                host, _ = host_and_port(each)
            except ValueError as bad:
                yield f"{key}: {bad}"
                continue
            if key == "resolvers" and not is_address(host):
                yield f"{key}: {each!r} is no IP address; a resolver cannot be looked up by name"


def _locked(db: Session, name: str) -> DnsProvider:
    provider = provider_named(db, name)
    provider = None if provider is None else db.get(DnsProvider, provider.id, with_for_update=True)
    if provider is None:
        raise UnknownProviderError(f"provider {name!r} is not known")
    return provider
