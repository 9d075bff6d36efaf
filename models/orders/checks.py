"""Business rules of an order, checked against the last sync before anything is sent to SCM.

Pure functions: rows in, problems out (docs/scm.md).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
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
from certline.models.host_names import label_problem
from certline.models.names import called, similar, spelled
from certline.models.orders.custom_fields import filled_in
from certline.models.orders.domain_rules import judge_name
from certline.models.orders.own_request import own_request
from certline.models.validation import BadCommandError

Row = TypeVar("Row", bound=SyncedRow)

# Characters (SCM document: limits): of a common name, and of the comma-separated list of requesters.
LONGEST_COMMON_NAME = 64
LONGEST_REQUESTERS = 512
# Keys that a CA may sign (CA/Browser Forum Baseline Requirements, 6.1.5): of RSA, bits that are a multiple of 8.
SMALLEST_RSA = 2048
CURVES = ("P-256", "P-384", "P-521")
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
    """An order that may be sent: its resolved organisation and profile, and warnings for the user.

    `wanted`: the order with what was left open filled in: its key, and the custom fields under SCM's names.
    """

    organization: Organization
    profile: Profile
    wanted: OrderCommand
    warnings: list[str] = field(default_factory=list)


def check_order(
    wanted: OrderCommand,
    offer: Offer,
    today: date,
    *,
    problems: Sequence[str] = (),
    inherited: Collection[str] = (),
) -> CheckedOrder:
    """Check an order against the offer. Raises BadCommandError with every problem found, not only the first.

    `problems`: what was found wrong with the order before.
    `inherited`: names of a certificate that was issued already, whose labels a CA has accepted.
    """
    if not offer.organizations or not offer.profiles:
        raise BadCommandError(
            ["SCM's data has not been synced for this account yet: run `certline sync` first"]
        )
    problems = list(problems)
    request = own_request(wanted, problems)
    organization = _find("organization", wanted.organization, offer.organizations, problems)
    profile = _find("profile", wanted.profile, offer.profiles, problems)
    wanted = _with_key(wanted, profile)
    if profile is not None:
        problems += _profile_problems(wanted, profile, organization, offer)
    problems += _key_problems(wanted, profile, request)
    problems += _length_problems(wanted)
    custom_fields, faults = filled_in(wanted.custom_fields, offer.custom_fields)
    problems += faults
    warnings: list[str] = []
    if organization is not None:
        if organization.orders == "off":
            warnings.append(
                f"SCM accepts no orders for {organization.name} over its API, as last synced: an "
                'administrator has to switch on "Enable Web/REST API" (tab SSL)'
            )
        for name in dict.fromkeys([wanted.common_name, *wanted.sans]):
            problem, warning = _judged(name, organization, offer.domains, today, inherited)
            problems += [problem] if problem else []
            warnings += [warning] if warning else []
    if problems or organization is None or profile is None:
        raise BadCommandError(problems)
    wanted = wanted.model_copy(update={"custom_fields": custom_fields})
    # Several names in one domain yield the same warning.
    return CheckedOrder(organization, profile, wanted, list(dict.fromkeys(warnings)))


def _judged(
    name: str,
    organization: Organization,
    domains: Sequence[Domain],
    today: date,
    inherited: Collection[str],
) -> tuple[str | None, str | None]:
    fault = label_problem(name)
    if fault is not None and name not in inherited:
        return f"{name}: {fault}", None
    problem, warning = judge_name(name, organization, domains, today)
    return problem, warning or (fault and f"{name}: {fault}")


def _with_key(wanted: OrderCommand, profile: Profile | None) -> OrderCommand:
    if wanted.csr is not None:
        return wanted
    algorithm, size = usual_key(profile, wanted.key_algorithm, wanted.key_size)
    return wanted.model_copy(update={"key_algorithm": algorithm, "key_size": size})


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
    # An id counts before a name.
    found = [row for row in present if str(row.scm_id) == text]
    found = found or called(text, present, _name)
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(str(row.scm_id) for row in found)
        problems.append(f"{noun}: {text!r} is ambiguous; use one of the ids {ids}")
        return None
    if any(str(row.scm_id) == text for row in rows) or called(text, rows, _name):
        problems.append(f"{noun}: {text!r} is gone at SCM")
        return None
    close = similar(text, map(_name, present), cutoff=0.4)
    hint = (
        "did you mean " + " or ".join(map(repr, close))
        if close
        else ("there are: " + ", ".join(repr(spelled(row.name)) for row in present[:5]))
    )
    problems.append(f"{noun}: {text!r} is not known; {hint}")
    return None


def _name(row: SyncedRow) -> str:
    return row.name


def _profile_problems(
    wanted: OrderCommand, profile: Profile, organization: Organization | None, offer: Offer
) -> list[str]:
    problems = []
    if profile.terms and wanted.term not in profile.terms:
        allowed = ", ".join(map(str, sorted(profile.terms)))
        problems.append(
            f"term: {wanted.term} days is not allowed by {profile.name!r}; allowed: {allowed}"
        )
    if organization is not None and organization.scm_id in (profile.closed_to or ()):
        others = [
            repr(spelled(row.name))
            for row in offer.profiles
            if row.gone_at is None and organization.scm_id not in (row.closed_to or ())
        ]
        problems.append(
            f"profile: SCM does not offer {profile.name!r} to {organization.name}; "
            f"it offers: {', '.join(others) or 'none'}"
        )
    return problems


def _key_problems(
    wanted: OrderCommand, profile: Profile | None, request: SigningRequest | None
) -> list[str]:
    """Return what is wrong with the key that is to be made, or with that of the CSR."""
    if wanted.csr is not None:
        if request is None:  # it can't be read, which is a problem of its own
            return []
        algorithm, size, field_name = request.key.algorithm, request.key.size, "csr"
    else:
        algorithm, size = usual_key(profile, wanted.key_algorithm, wanted.key_size)
        known = profile is None or algorithm in profile.key_types
        field_name = "key_size" if known else "key_algorithm"
        if size.startswith("P-") != (algorithm == "EC"):
            return [
                f"key_size: {size} is not a size of {algorithm} (RSA: 2048, 3072, 4096; EC: P-256, P-384)"
            ]
    problem = forbidden_key(algorithm, size)
    if problem is None and profile is not None:
        problem = key_problem(profile, algorithm, size)
    return [f"{field_name}: {problem}"] if problem else []


def forbidden_key(algorithm: str, size: str) -> str | None:
    """Return why no CA may sign a kind of key, whatever the profile; None if it may."""
    if algorithm == "RSA" and size.isdecimal():
        if int(size) < SMALLEST_RSA or int(size) % 8:
            return f"an RSA key has at least {SMALLEST_RSA} bits and a multiple of 8; this one has {size}"
        return None
    if algorithm == "EC" and size in CURVES:
        return None
    return f"no CA signs a key of {algorithm} {size}; use RSA, or EC on P-256 or P-384"


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


def _length_problems(wanted: OrderCommand) -> list[str]:
    problems = []
    if len(wanted.common_name) > LONGEST_COMMON_NAME:
        problems.append(
            f"common_name: has {len(wanted.common_name)} characters, at most {LONGEST_COMMON_NAME} are allowed"
        )
    if len(", ".join(wanted.external_requesters)) > LONGEST_REQUESTERS:
        problems.append(
            f"external_requesters: together they have more than {LONGEST_REQUESTERS} characters"
        )
    return problems
