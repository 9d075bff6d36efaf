"""Check what an account still lacks at SCM for ordering without an operator, as far as SCM's API shows it.

Only documented reads are used; what SCM doesn't show is reported as unknown, with the place to check it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeVar

from certline.workers.scm import (
    AdminRecord,
    AnyLogin,
    HeaderLogin,
    LoginRefused,
    NotFound,
    OrganizationDetails,
    Password,
    PasswordState,
    ScmClient,
    ScmDomain,
    ScmError,
    ScmOrganization,
    TokenLogin,
)

T = TypeVar("T")

# Organisations and departments, and domains, whose records are read, one call each; `certline sync` reads all.
MOST_LOOKED_AT = 20
# Names listed in one sentence.
MOST_NAMED = 5
# A password that expires sooner is reported.
SOON = timedelta(days=30)

# The roles that may order SSL certificates, the administrator type for API use, and the privileges needed:
# one of AUTO_APPROVE, and all of NEEDED (SCM document: roles, administrator types, privileges).
SSL_ROLES = ("MRAO", "RAO_SSL", "DRAO_SSL")
# It sees and orders for departments only, where an RAO has organisations and an MRAO the whole customer.
DEPARTMENTS = "DRAO_SSL"
API_TYPE = "API"
AUTO_APPROVE = ("autoApproveCertificates", "allowSslAutoApprove")
NEEDED = ("sslRequest", "sslRenew", "sslReplace", "sslRevoke")

IN_SCM = (
    "SCM doesn't show the administrator behind this login. Check in SCM (Settings, Admins): type API, "
    "role MRAO or RAO SSL, and the privilege to approve certificates automatically; without it each order "
    "waits for manual approval"
)


@dataclass(frozen=True)
class Examined:
    """The result of a check: sentences about faults in `missing`, and about what SCM doesn't show in `unknown`."""

    roles: tuple[str, ...] = ()
    organizations: int = 0
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    # None if SCM doesn't show the record of the administrator.
    privileges: tuple[str, ...] | None = None

    def as_record(self) -> dict[str, Any]:
        """Return what is stored of it with the account (`Account.examined`)."""
        return {
            "roles": list(self.roles),
            "privileges": None if self.privileges is None else list(self.privileges),
            "missing": list(self.missing),
            "unknown": list(self.unknown),
        }


def examine(scm: ScmClient, login: AnyLogin, today: date) -> Examined:
    """Try a login with one call and, if SCM accepts it, check what the account may do.

    Raises ScmError if the login can't be used. Later calls that fail are only reported as unknown, unless SCM
    refuses the login there.
    """
    seen = scm.organizations()
    missing: list[str] = []
    unknown: list[str] = []
    if isinstance(login, HeaderLogin):
        missing += of_password(_look(scm.password, unknown, "the password"), today)
    record = None if isinstance(login, TokenLogin) else _record(scm, login.login)
    missing += of_record(record)
    unknown += [] if record and record.roles and record.privileges is not None else [IN_SCM]
    ids = _ids(seen)
    details = _look(lambda: _details(scm, ids[:MOST_LOOKED_AT]), unknown, "its organisations")
    missing += of_organizations(seen, details or [])
    unknown += not_looked_at(len(ids))
    missing += of_scope(record, seen)
    domains = _look(lambda: _domains(scm), unknown, "its domains")
    if domains is not None:
        missing += of_domains(domains)
        unknown += domains_not_looked_at(domains)
    return Examined(
        record.roles if record else (),
        len(ids),
        tuple(missing),
        tuple(unknown),
        None if record is None or record.privileges is None else tuple(record.privileges),
    )


def of_password(password: Password | None, today: date) -> Iterator[str]:
    """Yield what is wrong with a password: it has expired, or will expire within SOON."""
    if password is None:
        return
    change = "change it in SCM, then: certline account verify NAME --new-password"
    if password.state is PasswordState.EXPIRED:
        yield f"the password has expired: {change}"
    ends = password.expires if password.state is PasswordState.ALIVE else None
    if ends is not None and ends - today <= SOON:
        yield f"the password expires on {ends}: {change}"


def of_record(record: AdminRecord | None) -> Iterator[str]:
    """Yield what is wrong with our administrator; what is missing from its record is not a fault."""
    if record is None:
        return
    if record.type and record.type.upper() != API_TYPE:
        yield f"the administrator's type is {record.type}: API calls need one of type API"
    if record.roles and not set(SSL_ROLES) & set(record.roles):
        roles = ", ".join(record.roles)
        yield f"its role is {roles}: ordering needs MRAO, RAO SSL or DRAO SSL"
    if record.privileges is None:
        return
    if not set(AUTO_APPROVE) & set(record.privileges):
        yield (
            "it may not approve certificates automatically (autoApproveCertificates): "
            "each order will wait for manual approval in SCM"
        )
    absent = [name for name in NEEDED if name not in record.privileges]
    if absent:
        yield f"its record in SCM doesn't list the privilege {' or '.join(absent)}"


def of_scope(record: AdminRecord | None, seen: Sequence[ScmOrganization]) -> Iterator[str]:
    """Yield what an administrator of departments can't do; lists leave out the rest without an error."""
    if record is None or DEPARTMENTS not in record.roles or {"MRAO", "RAO_SSL"} & set(record.roles):
        return
    parts = [f"{part.name} ({part.id})" for found in seen for part in found.departments]
    named = ", ".join(parts[:MOST_NAMED]) + (" and others" if len(parts) > MOST_NAMED else "")
    yield (
        f"its role is DRAO SSL: it orders for, and imports from, its departments only ({named or 'none'}); "
        "an organisation needs RAO SSL, and all of the customer MRAO"
    )


@dataclass(frozen=True)
class DomainsSeen:
    """How many domains an account sees, and the records that were read, up to the first one fit for an order."""

    total: int
    looked_at: tuple[ScmDomain, ...]

    @property
    def fit(self) -> bool:
        """True if the last one read is active, delegated and validated, as far as SCM shows."""
        return bool(self.looked_at) and may_be_ordered_for(self.looked_at[-1])


def may_be_ordered_for(domain: ScmDomain) -> bool:
    """Return True if a domain is active, delegated for SSL, and validated; what SCM doesn't show counts as so."""
    given = [each for each in domain.delegations if not each.cert_types or "SSL" in each.cert_types]
    approved = [each for each in given if _word(each.status) in ("", "active")]
    return (
        _word(domain.state) in ("", "active")
        and (bool(approved) or not domain.delegations)
        and _word(domain.validation_status) in ("", "validated")
    )


def of_domains(seen: DomainsSeen) -> Iterator[str]:
    """Yield a sentence if nothing can be ordered because no domain is ready for it."""
    if seen.total == 0:
        yield (
            "it sees no domain: SCM accepts no orders until a domain is delegated to one of its "
            "organisations or departments, and validated"
        )
    elif not seen.fit and len(seen.looked_at) == seen.total:
        names = ", ".join(each.name for each in seen.looked_at[:MOST_NAMED])
        more = f" and {seen.total - MOST_NAMED} more" if seen.total > MOST_NAMED else ""
        yield (
            f"none of its domains is active, delegated for SSL and validated (DCV): {names}{more}; SCM "
            "accepts no orders until one is"
        )


def domains_not_looked_at(seen: DomainsSeen) -> Iterator[str]:
    """Yield a note if the domains that were read aren't ready for orders, and there are more."""
    if not seen.fit and len(seen.looked_at) < seen.total:
        yield (
            f"none of the {len(seen.looked_at)} domains that were read is active, delegated for SSL and "
            f"validated, of {seen.total}; for all of them, after a sync: certline domain list --status validated"
        )


def of_organizations(
    seen: Sequence[ScmOrganization], details: Sequence[OrganizationDetails]
) -> Iterator[str]:
    """Yield a sentence for each reason why nothing can be ordered for organisations or departments."""
    if not seen:
        yield (
            "it sees no organisation: give it the role MRAO, or RAO SSL in an organisation; nothing "
            "can be ordered until then"
        )
    shut = [found for found in details if found.ssl_api_enabled is False]
    if shut:
        yield f'"Enable Web/REST API" is off (tab SSL) for {_named(shut)}: SCM accepts no orders for it'
    without = [found for found in details if found.cert_types and "SSL" not in found.cert_types]
    if without:
        yield f"SSL certificates are not enabled for {_named(without)}"


def not_looked_at(count: int) -> Iterator[str]:
    """Yield a note if there are more organisations and departments than were checked."""
    if count > MOST_LOOKED_AT:
        yield (
            f"of {count} organisations and departments only the first {MOST_LOOKED_AT} were checked; "
            "for all of them, after a sync: certline organization list --status off"
        )


def _ids(seen: Sequence[ScmOrganization]) -> list[int]:
    return [id_ for found in seen for id_ in (found.id, *(part.id for part in found.departments))]


def _look(read: Callable[[], T], unknown: list[str], what: str) -> T | None:
    """Return the result of a read; if it fails, add a sentence to `unknown` and return None.

    Raises LoginRefused.
    """
    try:
        return read()
    except LoginRefused:  # the first call was accepted, so the login has stopped working since
        raise
    except ScmError as error:
        unknown.append(f"{what} could not be read: {error}")
        return None


def _record(scm: ScmClient, login: str) -> AdminRecord | None:
    """Return the record of our own administrator, or None if SCM doesn't show it."""
    silent: list[str] = []
    rows = _look(scm.admins, silent, "the administrators") or []
    own = next((row.id for row in rows if row.login == login), None)
    return None if own is None else _look(lambda: scm.admin(own), silent, "the record")


def _details(scm: ScmClient, ids: Sequence[int]) -> list[OrganizationDetails]:
    """Read the records, skipping organisations of which a department's administrator sees only the name."""
    found = []
    for org_id in ids:
        with suppress(NotFound):
            found.append(scm.organization(org_id))
    return found


def _domains(scm: ScmClient) -> DomainsSeen:
    rows = scm.domains()
    read: list[ScmDomain] = []
    for row in rows[:MOST_LOOKED_AT]:
        with suppress(NotFound):
            read.append(scm.domain(row.id))
            if may_be_ordered_for(read[-1]):
                break
    return DomainsSeen(len(rows), tuple(read))


def _word(text: str) -> str:
    return text.replace("_", "").replace(" ", "").lower()


def _named(found: Sequence[OrganizationDetails]) -> str:
    names = [f"{each.name} ({each.id})" for each in found[:MOST_NAMED]]
    rest = len(found) - len(names)
    return ", ".join(names) + (f" and {rest} more" if rest else "")
