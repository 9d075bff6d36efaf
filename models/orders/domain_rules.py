"""Rules for the names of an order: the domain above a name is delegated, allows such names, and is validated.

Pure functions. What SCM does not show (old versions, some roles) is left to SCM.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from certline.models.accounts.catalogue import Domain, Organization
from certline.models.host_names import at_and_above, same_host
from certline.models.orders.validation_reuse import ReuseRules

# A delegation's privileges, each for one kind of name (SCM's help, "Managing domains"). The last one is for
# wildcards two or more levels below the domain.
ITSELF, BELOW, FIRST_LEVEL, DEEPER = (
    "DOMAIN",
    "SUBDOMAIN",
    "WILDCARD_1ST_LEVEL",
    "WILDCARD_2ND_LEVEL",
)
# How sentences call the names of each kind.
KINDS = {
    ITSELF: "certificates for {domain} itself",
    BELOW: "names below {domain}",
    FIRST_LEVEL: "wildcards of {domain}",
    DEEPER: "wildcards of {domain}",
}
# The privileges that are known, compared without case and underscores.
PRIVILEGES = frozenset(kind.replace("_", "").lower() for kind in KINDS)
# Delegations that were asked for and not approved yet; SCM's list has one more word in use than its document.
WAITING = frozenset({"requested", "awaitingme"})

Delegations = list[dict[str, Any]]


def judge_name(
    name: str, organization: Organization, domains: Iterable[Domain], today: date
) -> tuple[str | None, str | None]:
    """Check that a name is in a domain that the organisation may use. Returns (problem or None, warning or None).

    Only a warning is what SCM decides: an expired validation, and what its records leave open.
    """
    problem, allowed = allowed_above(name, organization, domains)
    if problem is not None:
        return problem, None
    if all(was_never_validated(domain) for domain in allowed):
        return f"the domain {allowed[0].name} of {name} is not validated at SCM (DCV)", None
    return None, _lapse(allowed, today) or _remark(name, allowed, organization)


def allowed_above(
    name: str, organization: Organization, domains: Iterable[Domain]
) -> tuple[str | None, Sequence[Domain]]:
    """Return the domains at or above a name under which an organisation may order it: (problem, domains).

    Without any there is a problem, otherwise it is None.
    """
    covering = _covering(name, domains)
    if not covering:
        return f"{name} is not in any domain of this account (see `certline domain list`)", ()
    usable = [domain for domain in covering if not is_suspended(domain)]
    if not usable:
        return f"the domain {covering[0].name} of {name} is suspended at SCM", ()
    whose = organization.name
    shown = [(domain, _delegations(domain, organization)) for domain in usable]
    delegated = [(domain, these) for domain, these in shown if these is not None]
    if not delegated:
        return f"the domain {usable[0].name} is not delegated to {whose} for SSL", ()
    approved = [(domain, these) for domain, these in delegated if not _wait(these)]
    if not approved:
        return (
            f"the delegation of {delegated[0][0].name} to {whose} waits for its approval at SCM "
            "(Domains, Approve Delegations)"
        ), ()
    allowed = [domain for domain, these in approved if _allow(these, domain, name)]
    if not allowed:
        return _not_allowed(name, organization, [domain for domain, _ in approved]), ()
    return None, allowed


def _covering(name: str, domains: Iterable[Domain]) -> list[Domain]:
    """Return the domains at or above a name: the most specific first, the plain one before its wildcard entry."""
    bare = name.removeprefix("*.")
    found = [
        (bare_name(domain), domain)
        for domain in domains
        if domain.gone_at is None and f".{bare}".endswith(f".{bare_name(domain)}")
    ]
    found.sort(key=lambda pair: (-len(pair[0]), pair[1].name.startswith("*.")))
    return [domain for _, domain in found]


def _delegations(domain: Domain, organization: Organization) -> Delegations | None:
    """Return a domain's delegations for SSL to an organisation, or to that of a department; None without any.

    An empty list means that SCM shows none: it does not show them to every role.
    """
    if not domain.delegations:
        return []
    own = _for_ssl(domain, organization.scm_id)
    if own or organization.parent_id is None:
        return own or None
    return _for_ssl(domain, organization.parent_id) or None


def _for_ssl(domain: Domain, organization_id: int) -> Delegations:
    return [
        each
        for each in domain.delegations
        if each.get("org_id") == organization_id and "SSL" in (each.get("cert_types") or ["SSL"])
    ]


def _wait(delegations: Delegations) -> bool:
    return bool(delegations) and all(_word(each.get("status")) in WAITING for each in delegations)


def _allow(delegations: Delegations, domain: Domain, name: str) -> bool:
    privileges = _privileges(delegations)
    # Nothing shown, or a privilege that is not known here: SCM decides.
    if not privileges or not privileges <= PRIVILEGES:
        return True
    return any(_word(kind) in privileges for kind in _kinds(domain, name))


def _kinds(domain: Domain, name: str) -> Sequence[str]:
    """Return the privileges of which one is needed for a name under a domain."""
    bare, above = name.removeprefix("*."), bare_name(domain)
    wild = name.startswith("*.")
    if domain.name.startswith("*."):
        # SCM's documents don't say which names an entry `*.domain` is for, so it is taken for any but wildcards
        # further down.
        return [DEEPER] if wild and bare != above else list(KINDS)
    if wild:
        return [FIRST_LEVEL if bare == above else DEEPER]
    return [ITSELF if bare == above else BELOW]


def _privileges(delegations: Delegations) -> set[str]:
    approved = [each for each in delegations if _word(each.get("status")) not in WAITING]
    # One delegation that doesn't list its privileges may allow anything.
    if any(not each.get("privileges") for each in approved):
        return set()
    return {_word(privilege) for each in approved for privilege in each["privileges"]}


def _not_allowed(name: str, organization: Organization, domains: Sequence[Domain]) -> str:
    plain = next((each for each in domains if not each.name.startswith("*.")), domains[0])
    (kind, *_) = _kinds(plain, name)
    what = KINDS[kind].format(domain=plain.name.removeprefix("*."))
    return (
        f"{name}: {what} are not allowed to {organization.name}: its delegation at SCM lacks {kind} "
        "(Domains, Delegate); once it has it: certline sync domains"
    )


def _lapse(allowed: Sequence[Domain], day: date) -> str | None:
    rules = ReuseRules(day)
    for domain in allowed:
        if _word(domain.validation_status) in ("", "validated") and not _over(domain, rules):
            return None
    over = [each for each in allowed if not was_never_validated(each)] or allowed
    return f"the validation of {over[0].name} expired{_when(over[0], rules)}: SCM may refuse names in it"


def _when(domain: Domain, rules: ReuseRules) -> str:
    """Return on which day a validation has ended, and why that is not the day which SCM shows."""
    shown, last = domain.validation_expires, _last_day(domain, rules)
    if shown is None or last is None:
        return ""
    if shown < rules.today:
        return f" on {shown}"
    if last < rules.today:
        return f" on {last} (then too old by ballot SC-081v3; SCM shows {shown})"
    return ""


def _remark(name: str, allowed: Sequence[Domain], organization: Organization) -> str | None:
    """Return a note if SCM's records leave open whether it accepts a name, or None."""
    notes = [_doubt(name, domain, organization) for domain in allowed]
    return None if None in notes else notes[0]


def _doubt(name: str, domain: Domain, organization: Organization) -> str | None:
    maybe = "SCM may refuse names in it"
    if not domain.delegations and _word(domain.delegation_status) in WAITING:
        return f"the delegation of {domain.name} waits for its approval at SCM: {maybe}"
    if domain.delegations and all(
        each.get("org_id") != organization.scm_id for each in domain.delegations
    ):
        above = organization.parent_name or "its organisation"
        return (
            f"the domain {domain.name} is delegated to {above} and not to its department "
            f"{organization.name}: {maybe}"
        )
    if domain.name.startswith("*.") and name != f"*.{bare_name(domain)}":
        return f"SCM has {domain.name} and not {bare_name(domain)} for {name}, and may refuse it"
    return None


def _over(domain: Domain, rules: ReuseRules) -> bool:
    # SCM's dates have no time zone, so the last day still counts as valid.
    last = _last_day(domain, rules)
    return last is not None and last < rules.today


def _last_day(domain: Domain, rules: ReuseRules) -> date | None:
    """Return the last day on which a domain's validation can be used, by SCM's date and the ballot, or None."""
    if domain.validation_expires is None:
        return None
    return rules.last_day(domain.validation_expires, domain.validated_on)


def by_bare_name(domains: Iterable[Domain]) -> dict[str, list[Domain]]:
    """Return the domains by their bare names, for `above`."""
    found: dict[str, list[Domain]] = {}
    for domain in domains:
        found.setdefault(bare_name(domain), []).append(domain)
    return found


def above(names: Iterable[str], domains: Mapping[str, Sequence[Domain]]) -> list[Domain]:
    """Return those of an account's domains that the rules for these names look at (`by_bare_name`).

    An account may have thousands; to check many names against all of them would take long.
    """
    wanted = dict.fromkeys(each for name in names for each in at_and_above(name.removeprefix("*.")))
    return [domain for bare in wanted for domain in domains.get(bare, ())]


def bare_name(domain: Domain) -> str:
    """Return a domain's name as orders have it, without `*.`."""
    # SCM may list a domain of another alphabet as it is written; orders have the xn-- form.
    return same_host(domain.name).removeprefix("*.")


def is_suspended(domain: Domain) -> bool:
    """Return True if SCM accepts neither orders nor validations for a domain."""
    return _word(domain.state) not in ("", "active")


def is_validated(domain: Domain) -> bool:
    """Return True if SCM says that a domain is validated, whatever its date."""
    return _word(domain.validation_status) == "validated"


def was_never_validated(domain: Domain) -> bool:
    """Return True if SCM says that a domain was never validated."""
    return _word(domain.validation_status) == "notvalidated"


def has_lapsed(domain: Domain) -> bool:
    """Return True if SCM says that the validation of a domain has expired, whatever its date."""
    return _word(domain.validation_status) not in ("", "validated", "notvalidated")


def _word(text: object) -> str:
    return str(text or "").replace("_", "").replace(" ", "").lower()
