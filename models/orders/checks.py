"""Business rules of an order, checked against the last sync before anything is sent to SCM.

Pure functions: rows in, problems out (docs/scm.md).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from typing import TypeVar

from certline.models.accounts.catalogue import (
    CustomField,
    Domain,
    Organization,
    Profile,
    SyncedRow,
)
from certline.models.commands.payloads import OrderCommand
from certline.models.csr.request import SigningRequest
from certline.models.orders.own_request import own_request
from certline.models.validation import BadCommandError

Row = TypeVar("Row", bound=SyncedRow)

# Characters (SCM document: limits): of a common name, and of the comma-separated list of requesters.
LONGEST_COMMON_NAME = 64
LONGEST_REQUESTERS = 512
# Default keys, in the sequence in which they are tried.
USUAL_KEYS = (
    ("RSA", "2048"),
    ("EC", "P-256"),
    ("RSA", "3072"),
    ("RSA", "4096"),
    ("EC", "P-384"),
)


@dataclass(frozen=True)
class Offer:
    """Organisations, domains, profiles and custom fields that SCM offers an account, as last synced."""

    organizations: Sequence[Organization]
    domains: Sequence[Domain]
    profiles: Sequence[Profile]
    custom_fields: Sequence[CustomField]


@dataclass(frozen=True)
class CheckedOrder:
    """An order that may be sent: its resolved organisation and profile, and warnings for the user."""

    organization: Organization
    profile: Profile
    warnings: list[str] = field(default_factory=list)


def check_order(wanted: OrderCommand, offer: Offer, today: date) -> CheckedOrder:
    """Check an order against the offer. Raises BadCommandError with every problem found, not only the first."""
    if not offer.organizations or not offer.profiles:
        raise BadCommandError(
            ["SCM's data has not been synced for this account yet: run `certline sync` first"]
        )
    problems: list[str] = []
    request = own_request(wanted, problems)
    organization = _find("organization", wanted.organization, offer.organizations, problems)
    profile = _find("profile", wanted.profile, offer.profiles, problems)
    if profile is not None:
        problems += _profile_problems(wanted, request, profile)
    problems += _field_problems(wanted, offer.custom_fields)
    warnings: list[str] = []
    if organization is not None:
        if organization.orders == "off":
            warnings.append(
                f"SCM accepts no orders for {organization.name} over its API, as last synced: an "
                'administrator has to switch on "Enable Web/REST API" (tab SSL)'
            )
        for name in dict.fromkeys([wanted.common_name, *wanted.sans]):
            problem, warning = judge_name(name, organization, offer.domains, today)
            problems += [problem] if problem else []
            warnings += [warning] if warning else []
    if problems or organization is None or profile is None:
        raise BadCommandError(problems)
    # Several names in one domain yield the same warning.
    return CheckedOrder(organization, profile, list(dict.fromkeys(warnings)))


def judge_name(
    name: str, organization: Organization, domains: Iterable[Domain], today: date
) -> tuple[str | None, str | None]:
    """Check that a name is in a delegated, validated domain. Returns (problem or None, warning or None).

    An expired validation is only a warning: SCM decides.
    """
    bare = name.removeprefix("*.")
    covering = [
        domain
        for domain in domains
        if domain.gone_at is None and f".{bare}".endswith(f".{domain.name.removeprefix('*.')}")
    ]
    if not covering:
        return f"{name} is not in any domain of this account (see `certline domain list`)", None
    # The most specific domain counts; of the same domain, the plain entry before the wildcard one.
    covering.sort(
        key=lambda domain: (-len(domain.name.removeprefix("*.")), domain.name.startswith("*."))
    )
    usable = [domain for domain in covering if _word(domain.state) in ("", "active")]
    if not usable:
        return f"the domain {covering[0].name} of {name} is suspended at SCM", None
    delegated = [domain for domain in usable if _delegated(domain, organization)]
    if not delegated:
        return f"the domain {usable[0].name} is not delegated to {organization.name} for SSL", None
    for domain in delegated:
        if _word(domain.validation_status) in ("", "validated") and not _over(domain, today):
            return None, None
    domain = delegated[0]
    if _word(domain.validation_status) == "notvalidated":
        return f"the domain {domain.name} of {name} is not validated at SCM (DCV)", None
    when = f" on {domain.validation_expires}" if domain.validation_expires else ""
    return None, f"the validation of {domain.name} expired{when}: SCM may refuse names in it"


def find_offered(noun: str, text: str, rows: Sequence[Row]) -> Row:
    """Return the organisation or profile (`noun`) with that id or name.

    Raises BadCommandError if it is unknown, ambiguous, or no longer exists at SCM.
    """
    problems: list[str] = []
    found = _find(noun, text, rows, problems)
    if found is None:
        raise BadCommandError(problems)
    return found


def _find(noun: str, text: str, rows: Sequence[Row], problems: list[str]) -> Row | None:
    present = [row for row in rows if row.gone_at is None]
    # An id counts before a name, and an exact name before one in another case.
    exact = [row for row in present if str(row.scm_id) == text]
    exact = exact or [row for row in present if row.name == text]
    found = exact or [row for row in present if row.name.lower() == text.lower()]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(str(row.scm_id) for row in found)
        problems.append(f"{noun}: {text!r} is ambiguous; use one of the ids {ids}")
        return None
    if any(str(row.scm_id) == text or row.name == text for row in rows):
        problems.append(f"{noun}: {text!r} is gone at SCM")
        return None
    by_lower = {row.name.lower(): row.name for row in present}
    close = [by_lower[name] for name in get_close_matches(text.lower(), by_lower, n=3, cutoff=0.4)]
    hint = (
        "did you mean " + " or ".join(map(repr, close))
        if close
        else ("there are: " + ", ".join(repr(row.name) for row in present[:5]))
    )
    problems.append(f"{noun}: {text!r} is not known; {hint}")
    return None


def _profile_problems(
    wanted: OrderCommand, request: SigningRequest | None, profile: Profile
) -> list[str]:
    problems = []
    if profile.terms and wanted.term not in profile.terms:
        allowed = ", ".join(map(str, sorted(profile.terms)))
        problems.append(
            f"term: {wanted.term} days is not allowed by {profile.name!r}; allowed: {allowed}"
        )
    if wanted.csr is None:
        problem = key_problem(profile, wanted.key_algorithm, wanted.key_size)
        known = wanted.key_algorithm in profile.key_types
        problems += [f"{'key_size' if known else 'key_algorithm'}: {problem}"] if problem else []
    elif request is not None:
        problem = key_problem(profile, request.key.algorithm, request.key.size)
        problems += [f"csr: {problem}"] if problem else []
    return problems


def key_problem(profile: Profile, algorithm: str, size: str) -> str | None:
    """Return why a profile does not allow that kind of key; None if it does, or if it lists no key types."""
    key_types: dict[str, list[str]] = profile.key_types
    sizes = key_types.get(algorithm)
    if not key_types or (sizes is not None and (not sizes or size in sizes)):
        return None
    kind = algorithm if sizes is None else f"{algorithm} {size}"
    choices = "; ".join(f"{each} {', '.join(sizes)}" for each, sizes in key_types.items())
    return f"{profile.name!r} does not allow {kind}; allowed: {choices}"


def usual_key(
    profile: Profile | None, algorithm: str | None = None, size: str | None = None
) -> tuple[str, str]:
    """Return (algorithm, size) of a key with one or both unspecified: the first default that the profile allows.

    If the profile is unknown or allows none, the first default is returned; `check_order` reports the problem.
    """
    if algorithm is not None and size is not None:
        return algorithm, size
    fitting = [key for key in USUAL_KEYS if algorithm in (None, key[0]) and size in (None, key[1])]
    allowed = [key for key in fitting if profile is None or not key_problem(profile, *key)]
    return (allowed or fitting)[0]


def _field_problems(wanted: OrderCommand, custom_fields: Sequence[CustomField]) -> list[str]:
    problems = []
    if len(wanted.common_name) > LONGEST_COMMON_NAME:
        problems.append(
            f"common_name: has {len(wanted.common_name)} characters, at most {LONGEST_COMMON_NAME} are allowed"
        )
    if len(", ".join(wanted.external_requesters)) > LONGEST_REQUESTERS:
        problems.append(
            f"external_requesters: together they have more than {LONGEST_REQUESTERS} characters"
        )
    if wanted.csr is None and wanted.key_size.startswith("P-") != (wanted.key_algorithm == "EC"):
        problems.append(
            f"key_size: {wanted.key_size} is not a size of {wanted.key_algorithm} "
            "(RSA: 2048, 3072, 4096; EC: P-256, P-384)"
        )
    known = {row.name for row in custom_fields}
    problems += [
        f"custom_fields: SCM has no field {name!r}; it has: {', '.join(sorted(known)) or 'none'}"
        for name in wanted.custom_fields
        if name not in known
    ]
    problems += [
        f"custom_fields: {row.name!r} is mandatory (--custom-field '{row.name}=VALUE')"
        for row in custom_fields
        if row.mandatory and not wanted.custom_fields.get(row.name)
    ]
    return problems


def _delegated(domain: Domain, organization: Organization) -> bool:
    # SCM doesn't show the delegations to every role; without them, SCM decides when the order is sent.
    if not domain.delegations:
        return True
    # A department may also use what is delegated to its organisation.
    return any(
        delegation.get("org_id") in {organization.scm_id, organization.parent_id} - {None}
        and "SSL" in (delegation.get("cert_types") or ["SSL"])
        for delegation in domain.delegations
    )


def _over(domain: Domain, today: date) -> bool:
    # SCM's dates have no time zone, so the last day still counts as valid.
    return domain.validation_expires is not None and domain.validation_expires < today


def _word(text: str | None) -> str:
    return (text or "").replace("_", "").replace(" ", "").lower()
