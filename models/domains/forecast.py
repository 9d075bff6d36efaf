"""Forecast of validations: which renewals the present ones do not reach, and when the next ones have to begin.

Pure: certificates are handed in one by one, and only numbers by day are kept.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from certline.models.domains.cover import Cover
from certline.models.orders.validation_reuse import ReuseRules

# Names that are kept of the renewals that are refused first.
MOST_NAMES = 3


@dataclass
class DomainForecast:
    """Outlook of a domain whose present validation ends before some of the renewals that need it.

    `last_day`: the last day on which the present validation can be used, for the name for which it ends first;
    `refused`: renewals by day that would be refused if it was not validated again; `first`: the first of these
    days; `names`: common names of its renewals; `begins`: the days on which a validation has to begin, so that
    none is refused; `suspended`: SCM has to activate the domain before.
    """

    account_id: int
    domain: str
    last_day: date
    suspended: bool = False
    first: date = date.max
    refused: Counter[date] = field(default_factory=Counter)
    names: list[str] = field(default_factory=list)
    begins: list[date] = field(default_factory=list)

    @property
    def begin_by(self) -> date:
        """The day on which the next validation has to begin."""
        return self.begins[0]


@dataclass
class ValidationOutlook:
    """The forecast of all domains. `renewals`: those of the days that are looked at; `refused`: those of them that
    would be refused for want of a validation, each counted once.
    """

    rules: ReuseRules
    days: int
    certificates: int = 0
    renewals: int = 0
    refused: int = 0
    _domains: dict[tuple[int, str], DomainForecast] = field(default_factory=dict)

    @property
    def last(self) -> date:
        """The last day that is looked at."""
        return self.rules.today + timedelta(days=self.days - 1)

    def add(
        self, account_id: int, covers: Iterable[Cover], days: Iterable[date], name: str
    ) -> None:
        """Add a certificate: the validations that its names need, the days of its renewals, its common name."""
        shortest: dict[str, Cover] = {}
        for cover in covers:
            known = shortest.get(cover.domain)
            if known is None or cover.last_day < known.last_day:
                shortest[cover.domain] = cover
        self.certificates += 1
        for day in days:
            self.renewals += 1
            short = [cover for cover in shortest.values() if cover.last_day < day]
            self.refused += bool(short)
            for cover in short:
                self._note(account_id, cover, day, name)

    def _note(self, account_id: int, cover: Cover, day: date, name: str) -> None:
        key = (account_id, cover.domain)
        found = self._domains.get(key)
        if found is None:
            found = DomainForecast(account_id, cover.domain, cover.last_day, cover.suspended)
            self._domains[key] = found
        found.last_day = min(found.last_day, cover.last_day)
        if day < found.first:
            found.first, found.names = day, [name]
        elif day == found.first and len(found.names) < MOST_NAMES and name not in found.names:
            found.names.append(name)
        found.refused[day] += 1

    def domains(self) -> list[DomainForecast]:
        """Return the domains that need a validation in the days ahead, the first to begin at the top."""
        for each in self._domains.values():
            each.begins = list(beginnings(each.refused, self.rules))
        return sorted(
            self._domains.values(), key=lambda each: (each.begin_by, each.first, each.domain)
        )


def beginnings(needed: Iterable[date], rules: ReuseRules) -> Iterator[date]:
    """Yield the days on which validations have to begin, so that each of these days has one: as few as will do."""
    until = date.min
    for day in sorted(needed):
        if day > until:
            begin = rules.begin_by(day)
            yield begin
            until = rules.usable_until(begin)
