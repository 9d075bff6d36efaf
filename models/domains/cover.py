"""Cover: which validation a name in a certificate needs, and how long the present one can be used.

Pure functions over the rows of an account, fit for a hundred thousand names: what is found out about a domain is
kept, and a name costs a few look-ups.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import NamedTuple

from certline.models.accounts.catalogue import Domain, Organization
from certline.models.domains.scope import validated_for
from certline.models.host_names import at_and_above
from certline.models.orders.domain_rules import (
    above,
    allowed_above,
    bare_name,
    by_bare_name,
    has_lapsed,
    is_suspended,
    was_never_validated,
)
from certline.models.orders.validation_reuse import ReuseRules

# Last days of a domain that was never validated, and of one whose validation has no end.
NEVER, ENDLESS = date.min, date.max


class Cover(NamedTuple):
    """The validation that a name needs. `domain`: the domain that is validated; `last_day`: the last day on which
    the name can be ordered; `suspended`: SCM does not validate the domain until it is activated there.
    """

    domain: str
    last_day: date
    suspended: bool


class Coverage:
    """The domains of an account, asked for the validation that a name needs."""

    def __init__(
        self, domains: Iterable[Domain], organizations: Iterable[Organization], rules: ReuseRules
    ) -> None:
        here = [each for each in domains if each.gone_at is None]
        self._domains = by_bare_name(here)
        self._organizations = {each.scm_id: each for each in organizations}
        self._rules = rules
        self._known: dict[tuple[int, str, bool, bool], Cover | None] = {}

    def of(self, name: str, organization: int) -> Cover | None:
        """Return the validation that a name of an organisation's certificate needs.

        None if no domain allows the name, so that no validation would help. `organization`: SCM's id.
        """
        wild = name.startswith("*.")
        bare = name.removeprefix("*.").lower()
        closest = next((each for each in at_and_above(bare) if each in self._domains), None)
        if closest is None:
            return None
        # All names below a domain need the same; a privilege may be for the domain itself, or for wildcards.
        key = (organization, closest, wild, bare == closest)
        if key not in self._known:
            self._known[key] = self._find(f"*.{bare}" if wild else bare, organization)
        return self._known[key]

    def short_for(self, names: Iterable[str], organization: int, day: date) -> Cover | None:
        """Return the validation that ends before a day and that one of these names needs; of several the first
        to end. None if all of them can be used on that day.
        """
        found = (self.of(name, organization) for name in names)
        short = [cover for cover in found if cover is not None and cover.last_day < day]
        return min(short, key=lambda cover: (cover.last_day, cover.domain), default=None)

    def _find(self, name: str, organization: int) -> Cover | None:
        covering = above([name], self._domains)
        owner = self._organizations.get(organization)
        if owner is None:  # gone at SCM; whether it may order is not a question of validation
            allowed = [each for each in covering if not is_suspended(each)]
        else:
            _, found = allowed_above(name, owner, covering)
            allowed = list(found)
        if not allowed:
            return None
        top = validated_for(name, covering)
        return Cover(
            bare_name(top[0]),
            max(last_day_of(each, self._rules) for each in allowed),
            all(is_suspended(each) for each in top),
        )


def last_day_of(domain: Domain, rules: ReuseRules) -> date:
    """Return the last day on which a domain's present validation can be used, or NEVER, or ENDLESS."""
    if was_never_validated(domain):
        return NEVER
    if has_lapsed(domain):
        ended = rules.today - timedelta(days=1)
        return min(domain.validation_expires or ended, ended)
    if domain.validation_expires is None:
        return ENDLESS
    return rules.last_day(domain.validation_expires, domain.validated_on)
