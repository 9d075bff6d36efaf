"""What an account still lacks at SCM before it can order by itself, as far as SCM's API tells.

Only reads, and only documented ones. What SCM doesn't show is said once, with where to look.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeVar

from certline.workers.scm import (
    AdminRecord,
    AnyLogin,
    HeaderLogin,
    LoginRefused,
    NotFound,
    Organization,
    OrganizationDetails,
    Password,
    PasswordState,
    ScmClient,
    ScmError,
    TokenLogin,
)

T = TypeVar("T")

# Organisations and departments that are looked at one by one; `certline sync` looks at all.
MOST_LOOKED_AT = 20
# Names in one sentence.
MOST_NAMED = 5
# A password that ends sooner is worth a word.
SOON = timedelta(days=30)

# The roles that order SSL certificates, the type for programs, and what is needed besides
# (SCM document: roles, administrator types, privileges).
SSL_ROLES = ("MRAO", "RAO_SSL", "DRAO_SSL")
API_TYPE = "API"
AUTO_APPROVE = ("autoApproveCertificates", "allowSslAutoApprove")
NEEDED = ("sslRequest", "sslRenew", "sslReplace", "sslRevoke")

IN_SCM = (
    "SCM doesn't show the administrator behind this login. Look there (Settings, Admins): type API, role "
    "MRAO or RAO SSL, and the privilege to approve certificates automatically, for without it each order "
    "waits for a person"
)


@dataclass(frozen=True)
class Examined:
    """What was seen: `missing` are faults, `unknown` what SCM doesn't tell; each a sentence."""

    roles: tuple[str, ...] = ()
    organizations: int = 0
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def examine(scm: ScmClient, login: AnyLogin, today: date) -> Examined:
    """Try the login with one call; where SCM takes it, look at what it may do.

    Raises ScmError where the login can't be used; what fails later is only unknown.
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
    return Examined(record.roles if record else (), len(ids), tuple(missing), tuple(unknown))


def of_password(password: Password | None, today: date) -> Iterator[str]:
    """What is wrong with a password: it has ended, or ends soon."""
    if password is None:
        return
    change = "change it in SCM, then: certline account verify NAME --new-password"
    if password.state is PasswordState.EXPIRED:
        yield f"the password has expired: {change}"
    ends = password.expires if password.state is PasswordState.ALIVE else None
    if ends is not None and ends - today <= SOON:
        yield f"the password expires on {ends}: {change}"


def of_record(record: AdminRecord | None) -> Iterator[str]:
    """What is wrong with an administrator; what its record leaves out is not wrong."""
    if record is None:
        return
    if record.type and record.type.upper() != API_TYPE:
        yield f"the administrator's type is {record.type}: programs need one of type API"
    if record.roles and not set(SSL_ROLES) & set(record.roles):
        roles = ", ".join(record.roles)
        yield f"its role is {roles}: ordering needs MRAO, RAO SSL or DRAO SSL"
    if record.privileges is None:
        return
    if not set(AUTO_APPROVE) & set(record.privileges):
        yield (
            "it may not approve certificates automatically (autoApproveCertificates): "
            "each order will wait for a person in SCM"
        )
    absent = [name for name in NEEDED if name not in record.privileges]
    if absent:
        yield f"its record in SCM doesn't list the privilege {' or '.join(absent)}"


def of_organizations(
    seen: Sequence[Organization], details: Sequence[OrganizationDetails]
) -> Iterator[str]:
    """Organisations and departments that nothing can be ordered for."""
    if not seen:
        yield (
            "it sees no organisation: give it the role MRAO, or RAO SSL in an organisation; nothing "
            "can be ordered until then"
        )
    shut = [found for found in details if found.ssl_api_enabled is False]
    if shut:
        yield f'"Enable Web/REST API" is off (tab SSL) for {_named(shut)}: SCM takes no order for it'
    without = [found for found in details if found.cert_types and "SSL" not in found.cert_types]
    if without:
        yield f"SSL certificates are not open to {_named(without)}"


def not_looked_at(count: int) -> Iterator[str]:
    """That there are more organisations than were looked at."""
    if count > MOST_LOOKED_AT:
        yield (
            f"of {count} organisations and departments the first {MOST_LOOKED_AT} were looked at; "
            "all of them, after a sync: certline organization list --status off"
        )


def _ids(seen: Sequence[Organization]) -> list[int]:
    return [id_ for found in seen for id_ in (found.id, *(part.id for part in found.departments))]


def _look(read: Callable[[], T], unknown: list[str], what: str) -> T | None:
    """What SCM answers; where it doesn't, that is said. Raises LoginRefused: it was taken before."""
    try:
        return read()
    except LoginRefused:
        raise
    except ScmError as error:
        unknown.append(f"{what} could not be read: {error}")
        return None


def _record(scm: ScmClient, login: str) -> AdminRecord | None:
    """Our own record; None where SCM doesn't show it."""
    silent: list[str] = []
    rows = _look(scm.admins, silent, "the administrators") or []
    own = next((row.id for row in rows if row.login == login), None)
    return None if own is None else _look(lambda: scm.admin(own), silent, "the record")


def _details(scm: ScmClient, ids: Sequence[int]) -> list[OrganizationDetails]:
    """Their records. Of an organisation, a department's administrator sees the name only."""
    found = []
    for org_id in ids:
        with suppress(NotFound):
            found.append(scm.organization(org_id))
    return found


def _named(found: Sequence[OrganizationDetails]) -> str:
    names = [f"{each.name} ({each.id})" for each in found[:MOST_NAMED]]
    rest = len(found) - len(names)
    return ", ".join(names) + (f" and {rest} more" if rest else "")
