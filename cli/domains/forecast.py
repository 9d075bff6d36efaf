"""`certline domain forecast`: which renewals a validation does not reach, and when the next ones have to begin."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from certline.cli import context
from certline.cli.parameters.number import Whole
from certline.cli.renewals.bars import BAR, bar_of
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.grid import Column, print_grid
from certline.cli.ui.listing import SCREENFUL
from certline.cli.ui.output import answer, say, table, whisper
from certline.models.documents.domains.detail import day_or_none
from certline.models.documents.domains.forecast import (
    domain_forecast_document,
    validation_outlook_document,
)
from certline.models.documents.projection import distance
from certline.models.orders.validation_reuse import STEPS, WHAT_IF

if TYPE_CHECKING:
    from certline.models.domains.forecast import DomainForecast, ValidationOutlook
    from certline.models.overview.attendance import Attendance

# Validations a day from which on their rate is said.
FEWEST_A_DAY = 0.1


@click.command(cls=CliCommand)
@click.option(
    "--days",
    type=Whole(1, 1100),
    default=365,
    show_default=True,
    metavar="N",
    help="How many days ahead to look.",
)
@click.option(
    "--what-if",
    type=click.Choice([str(days) for days in WHAT_IF]),
    help="As if validations held so many days from now on: the steps of ballot SC-081v3.",
)
def forecast(*, days: int, what_if: str | None) -> None:
    """Show which renewals would be refused because a validation ends first, and when each has to begin.

    It counts what would happen if nobody validated any domain again. Changes nothing.
    """
    from certline.models.accounts.account import accounts
    from certline.models.calendar.validations import forecast_validations
    from certline.models.overview.attendance import UNATTENDED
    from certline.producers.domains.care import care_of_domains

    with context.database().transaction() as db:
        outlook = forecast_validations(
            db, days=days, what_if=None if what_if is None else int(what_if)
        )
        care = care_of_domains(db)
        names = {row.id: row.name for row in accounts(db, removed=True)}
    found = outlook.domains()
    about = [care.get((each.account_id, each.domain), UNATTENDED) for each in found]
    begins = Counter(day for each in found for day in each.begins)
    peaks = _busiest(begins)
    documents = [
        domain_forecast_document(each, names[each.account_id], its)
        for each, its in zip(found, about, strict=True)
    ]
    document = validation_outlook_document(outlook, documents, peaks)
    answer(document, lambda: _people(outlook, found, about, names, begins))


def _busiest(begins: Counter[date]) -> dict[date, int]:
    """Return the busiest days with their validations."""
    from certline.models.renewals.forecast import peaks

    return {day: begins[day] for day in peaks(begins)}


def _people(
    outlook: ValidationOutlook,
    found: list[DomainForecast],
    about: list[Attendance],
    names: dict[int, str],
    begins: Counter[date],
) -> None:
    rules, until = outlook.rules, f"until {outlook.last}"
    if not outlook.certificates:
        say(
            "No active certificate is stored, so no validation is needed: certline certificate list"
        )
        return
    if not found:
        say(f"All {outlook.renewals:,} renewals {until} are reached by validations.")
        return
    care = {(each.account_id, each.domain): its for each, its in zip(found, about, strict=True)}
    columns = [
        Column[Any]("domain", lambda each: each.domain, may_be_cut=True),
        Column[Any]("begin by", lambda each: _begin_by(each, rules.today)),
        Column[Any]("last day", _last_day),
        Column[Any]("first refused", lambda each: each.first.isoformat(), rank=1),
        Column[Any]("refused", lambda each: f"{each.refused.total():,}"),
        Column[Any]("validations", lambda each: str(len(each.begins)), rank=2),
        Column[Any](
            "now",
            lambda each: _now(each, care[each.account_id, each.domain]),
            rank=1,
        ),
    ]
    if len(names) > 1:
        columns.insert(1, Column[Any]("account", lambda each: names[each.account_id], rank=3))
    print_grid(columns, found[:SCREENFUL])
    if len(found) > SCREENFUL:
        say(f"… and {len(found) - SCREENFUL:,} more domains; --json lists all of them.")
    if any(map(_ends_first, found[:SCREENFUL])):
        say(
            "* Ends before BEGIN BY: no planned renewal needs it in between, but new orders would be refused."
        )
    _summary(outlook, found, begins)
    first = next((each for each in found if not each.suspended), None)
    if first is not None:
        whisper(f"To validate a domain: certline domain validate {quote(first.domain)}")


def _begin_by(each: DomainForecast, today: date) -> str:
    return "now" if each.begin_by == today else f"{each.begin_by}, {distance(each.begin_by)}"


def _ends_first(each: DomainForecast) -> bool:
    """Return True if the validation ends before the next one has to begin."""
    return date.min < each.last_day < each.begin_by


def _now(each: DomainForecast, care: Attendance) -> str:
    """Return what is being done, and whether that is too late."""
    if each.suspended:
        return "suspended at SCM"
    late = care.begins is not None and care.begins.date() > each.first
    return f"{care}, too late" if late else str(care)


def _last_day(each: DomainForecast) -> str:
    if each.last_day == date.min:
        return "never validated"
    return (day_or_none(each.last_day) or "-") + (" *" if _ends_first(each) else "")


def _summary(
    outlook: ValidationOutlook, found: list[DomainForecast], begins: Counter[date]
) -> None:
    """Print how much is ahead, month by month, and the days on which most comes together."""
    refused: Counter[str] = Counter()
    for each in found:
        for day, count in each.refused.items():
            refused[f"{day:%Y-%m}"] += count
    months: Counter[str] = Counter()
    for day, count in begins.items():
        months[f"{day:%Y-%m}"] += count
    highest = max(months.values())
    say("")
    table(
        ["month", "validations", "", "refused without"],
        [
            (month, months[month], bar_of(months[month], highest, BAR), refused[month])
            for month in sorted({*months, *refused})
        ],
        empty="",
    )
    total, domains = begins.total(), "domain" if len(found) == 1 else "domains"
    # Fewer than one in ten days would be "0.0 a day".
    rate = total / outlook.days
    each_day = f", {rate:.1f} a day" if rate >= FEWEST_A_DAY else ""
    say(
        f"\nWithout a further validation {outlook.refused:,} of {outlook.renewals:,} renewals until "
        f"{outlook.last} would be refused, below {len(found):,} {domains}."
        f"\nValidations needed until then: {total:,}{each_day}."
    )
    if peaks := _busiest(begins):
        say("Peaks: " + ", ".join(f"{day} ({count})" for day, count in peaks.items()))
    _cliffs(outlook, found)


def _cliffs(outlook: ValidationOutlook, found: list[DomainForecast]) -> None:
    """Print which steps of the ballot end validations all at once."""
    if outlook.rules.what_if is not None:
        say(
            f"As if validations held {outlook.rules.what_if} days and certificates "
            f"{outlook.rules.on(outlook.rules.today).lifetime} from now on."
        )
        return
    for step in STEPS[1:]:
        before = step.begins - timedelta(days=1)
        cut = sum(each.last_day == before for each in found)
        if cut and outlook.rules.today < step.begins <= outlook.last:
            say(
                f"Cliff: from {step.begins} a validation may be used for {step.reuse} days only (ballot "
                f"SC-081v3): {cut:,} of these {'is' if cut == 1 else 'are'} older by then, whatever SCM shows now."
            )
