"""`certline auto-renew plan`: the renewals of each day ahead, and forecasts for shorter lifetimes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from shlex import quote
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from certline.cli import context
from certline.cli.parameters.number import Whole
from certline.cli.renewals.bars import BAR, SHORTEST_BAR, bar_of, few
from certline.cli.renewals.plan_progress import plan_progress
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.layout import GAP
from certline.cli.ui.output import answer, console, say, table, whisper
from certline.models.documents.projection import instant
from certline.models.documents.renewal import forecast_document

if TYPE_CHECKING:
    from certline.models.renewals.forecast import Forecast
    from certline.producers.renewals.day_plan import LookAhead, Planned

# Reasons shown, at most.
REFUSALS = 10


class DaysAhead(NamedTuple):
    """The renewals of the days ahead. `counts`: renewals by day; `near`: each of them; `high`: the peaks."""

    look: LookAhead
    days: int
    near: list[Planned]
    counts: Counter[date]
    high: list[date]
    what_if: list[Forecast]

    @property
    def refused(self) -> list[Planned]:
        """The renewals that would be refused, as far as is known today."""
        return [row for row in self.near if row.objection is not None]

    @property
    def validations(self) -> dict[str, list[Planned]]:
        """The renewals that a validation has to precede, by its domain; the first to begin at the top."""
        found: dict[str, list[Planned]] = {}
        needed = [(row.validation, row) for row in self.near if row.validation is not None]
        for validation, row in sorted(needed, key=lambda pair: (pair[0].begin_by, pair[0].domain)):
            found.setdefault(validation.domain, []).append(row)
        return found

    def document(self) -> dict[str, Any]:
        """Return the plan as a document."""
        by_day: dict[date, list[Planned]] = {}
        for row in self.near:
            by_day.setdefault(row.day, []).append(row)
        return {
            "from": self.look.today.isoformat(),
            "days": self.days,
            "selected": self.look.selected,
            "renewals": sum(self.counts.values()),
            "being_renewed": self.look.going,
            "late": self.look.late,
            "would_be_refused": len(self.refused),
            "next": None
            if self.look.next is None
            else {
                "date": self.look.next[0].isoformat(),
                "common_names": sorted(self.look.next[1]),
            },
            "peaks": [{"date": day.isoformat(), "renewals": self.counts[day]} for day in self.high],
            "plan": [
                {
                    "date": day.isoformat(),
                    "renewals": self.counts[day],
                    "certificates": [_document(row) for row in by_day.get(day, [])],
                }
                for day in sorted(self.counts)
            ],
            "what_if": [forecast_document(each) for each in self.what_if],
        }


@click.command(cls=CliCommand)
@click.option(
    "--days",
    type=Whole(1, 400),
    default=30,
    show_default=True,
    metavar="N",
    help="How many days ahead to plan.",
)
@click.option(
    "--what-if",
    "lifetimes",
    multiple=True,
    type=Whole(1, 400),
    metavar="47|100|200",
    help="Also forecast a year in which new certificates are valid for this many days; repeatable.",
)
def plan(*, days: int, lifetimes: tuple[int, ...]) -> None:
    """Show what will be renewed on which day, and the peaks. Changes nothing."""
    from certline.models.renewals.forecast import forecast, peaks
    from certline.models.renewals.selection import settings_of_all
    from certline.producers.renewals.day_plan import look_ahead

    settings = context.settings()
    with context.database().transaction() as db:
        look = look_ahead(db, days, with_spans=bool(lifetimes), tell=plan_progress())
        is_on = any(setting.enabled for setting in settings_of_all(db))
    near, today = look.near, look.today
    near.sort(key=lambda row: (row.day, row.common_name))
    # Every day is present, with 0 if nothing is planned: the table and the mean behind the peaks
    # need all days.
    counts = Counter({today + timedelta(days=number): 0 for number in range(days)})
    counts.update(row.day for row in near)
    what_if = [
        forecast(
            look.spans,
            lifetime=lifetime,
            today=today,
            cap=None,
            rate_read=settings.rate_read,
            rate_order=settings.rate_order,
        )
        for lifetime in lifetimes
    ]
    ahead = DaysAhead(look, days, near, counts, peaks(counts), what_if)
    answer(ahead.document(), lambda: _people(ahead))
    if look.late:
        whisper(
            f"warning: the cap is too small for {look.late} certificates: they will be renewed later "
            "than wanted. To raise it: certline auto-renew enable --cap N"
        )
    if not is_on:
        whisper(
            "Auto-renewal is off, so none of this will happen: certline auto-renew enable --days 30"
        )


def _document(row: Planned) -> dict[str, Any]:
    return {
        "certificate": row.certificate_id,
        "common_name": row.common_name,
        "account": row.account,
        "not_after": instant(row.not_after),
        "wanted": row.wanted.isoformat(),
        "objection": row.objection,
        "remark": row.remark,
        "validate": None if row.validation is None else row.validation.domain,
        "validate_by": None if row.validation is None else row.validation.begin_by.isoformat(),
    }


def _people(ahead: DaysAhead) -> None:
    if not ahead.look.selected:
        say("Nothing is selected: certline auto-renew select --all")
        return
    counts = ahead.counts
    highest = max(counts.values())
    names: dict[date, list[str]] = {}
    for row in ahead.near:
        names.setdefault(row.day, []).append(row.common_name)
    bar, room = _rooms(ahead)
    rows = [
        (
            f"{day:%a %Y-%m-%d}",
            str(counts[day]),
            bar_of(counts[day], highest, bar) + (" peak" if day in ahead.high else ""),
            few(names.get(day, []), room),
        )
        for day in sorted(counts)
    ]
    total = sum(counts.values())
    if total:  # otherwise the table would be a column of zeros
        table(["day", "renewals", "", "names"], rows, empty="")
    if ahead.high:
        say("\nPeaks: " + ", ".join(f"{day} ({counts[day]})" for day in ahead.high))
    say(f"\nRenewals in {len(counts)} days: {total}; already in progress: {ahead.look.going}.")
    if ahead.look.next is not None:
        day, later = ahead.look.next
        say(f"{'Next' if not total else 'After that'}: {day}, {few(sorted(later))}")
    if remarked := [row for row in ahead.near if row.remark is not None]:
        say(f"\nWill get another kind of key: {len(remarked)}")
        _alike(remarked, lambda row: row.remark)
    if ahead.refused:
        say(f"\nWould be refused, as far as is known today: {len(ahead.refused)}")
        _alike(ahead.refused, lambda row: row.objection)
    if ahead.validations:
        say("\nDomains to validate, so that no renewal is refused for it:")
        _validations(ahead)
    if ahead.what_if:
        say("\nForecast for a year, by the lifetime of new certificates in days:")
        _forecasts(ahead.what_if)


def _validations(ahead: DaysAhead) -> None:
    rows = [
        (
            domain,
            "now" if begin_by == ahead.look.today else begin_by,
            len(those),
            few([row.common_name for row in those]),
        )
        for domain, those in ahead.validations.items()
        for begin_by in [those[0].validation.begin_by if those[0].validation else None]
    ]
    table(["domain", "begin by", "renewals", "names"], rows[:REFUSALS], empty="")
    if len(rows) > REFUSALS:
        say(f"… and {len(rows) - REFUSALS} more domains: certline domain forecast")
    say(f"To validate one: certline domain validate {quote(str(rows[0][0]))}")


def _forecasts(what_if: list[Forecast]) -> None:
    table(
        [
            "lifetime",
            "orders per day",
            "peak",
            "orders at peak",
            "licence units",
            "SCM calls in the busiest hour",
            "limit",
            "minutes for the peak",
        ],
        [
            (
                each.lifetime,
                f"{each.orders_per_day:.1f}",
                each.peak,
                each.peak_orders,
                each.license_units,
                each.calls_per_hour,
                each.rate_limit_per_hour,
                each.peak_minutes,
            )
            for each in what_if
        ],
        empty="",
    )


def _alike(found: list[Planned], reason_of: Callable[[Planned], str | None]) -> None:
    """Print each reason once: the first day, how many certificates, some names."""
    alike: dict[str | None, list[Planned]] = {}
    for row in found:
        alike.setdefault(reason_of(row), []).append(row)
    rows = [
        (those[0].day, len(those), few([row.common_name for row in those]), reason)
        for reason, those in alike.items()
    ]
    table(["from", "certificates", "names", "why"], rows[:REFUSALS], empty="")
    if len(rows) > REFUSALS:
        say(f"… and {len(rows) - REFUSALS} more reasons; --json lists all of them.")


def _rooms(ahead: DaysAhead) -> tuple[int, int | None]:
    """Return the cells for the longest bar and for the names; None for names: as many as they need."""
    screen = console()
    if not screen.is_terminal:
        return BAR, None
    # The day, the number of renewals, and the gaps between the columns.
    room = screen.width - len("Fri 2026-11-27") - len("RENEWALS") - 3 * GAP
    peak = len(" peak") if ahead.high else 0
    bar = max(SHORTEST_BAR, min(BAR, room // 3 - peak))
    return bar, max(len("NAMES"), room - bar - peak)
