"""The heat map of a year: months of weeks of days, each with its numbers and a class for its colour. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from certline.board.pages.estate.months import next_month

# Colours of the style sheet, besides the one for nothing.
GRADES = 5


class HeatDay(NamedTuple):
    """A day of the heat map. `inside`: it belongs to the year ahead; `heat`: 0 (nothing) to GRADES (the most)."""

    day: date
    inside: bool
    ends: int
    renewals: int
    validations: int
    heat: int
    is_cliff: bool

    @property
    def in_words(self) -> str:
        """What the day holds: `3 end, 1 renewed`."""
        pieces = (
            (self.ends, "end"),
            (self.renewals, "renewed"),
            (self.validations, "domain validations end"),
        )
        return ", ".join(f"{count:,} {word}" for count, word in pieces if count) or "nothing"


@dataclass(frozen=True)
class HeatMonth:
    """A month: its weeks from Monday to Sunday, with None for days of other months."""

    first: date
    weeks: list[list[HeatDay | None]]

    @property
    def ends(self) -> int:
        """Certificates that end in the month."""
        return sum(each.ends for week in self.weeks for each in week if each)

    @property
    def renewals(self) -> int:
        """Renewals of the month."""
        return sum(each.renewals for week in self.weeks for each in week if each)


@dataclass(frozen=True)
class DayNumbers:
    """Numbers by day: what ends, what is renewed, which validations end; and the days that stand out."""

    ends: Mapping[date, int]
    renewals: Mapping[date, int]
    validations: Mapping[date, int]
    cliffs: frozenset[date]

    @property
    def most(self) -> int:
        """The highest number of a day."""
        return max((self.of(day) for day in {*self.ends, *self.renewals}), default=0)

    def of(self, day: date) -> int:
        """Return what a day's colour is made of."""
        return self.ends.get(day, 0) + self.renewals.get(day, 0)


def months_of(numbers: DayNumbers, first: date, last: date) -> list[HeatMonth]:
    """Return the months from the first day to the last one."""
    months, month, most = [], first.replace(day=1), numbers.most
    while month <= last:
        begin = month - timedelta(days=month.weekday())
        after = next_month(month)
        weeks = []
        while begin < after:
            days = [begin + timedelta(days=number) for number in range(7)]
            weeks.append(
                [
                    _day(day, numbers, most, inside=first <= day <= last)
                    if month <= day < after
                    else None
                    for day in days
                ]
            )
            begin += timedelta(days=7)
        months.append(HeatMonth(month, weeks))
        month = after
    return months


def _day(day: date, numbers: DayNumbers, most: int, *, inside: bool) -> HeatDay:
    count = numbers.of(day) if inside else 0
    heat = 0 if not count else max(1, -(-GRADES * count // most))
    return HeatDay(
        day,
        inside,
        numbers.ends.get(day, 0) if inside else 0,
        numbers.renewals.get(day, 0) if inside else 0,
        numbers.validations.get(day, 0) if inside else 0,
        heat,
        day in numbers.cliffs,
    )
