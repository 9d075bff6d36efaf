"""Checks of the domains: whose validation ends before a renewal that needs it, or waits for a person."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from certline.cli import context
from certline.cli.checks.result import MOST_DETAILS, Finding

if TYPE_CHECKING:
    from certline.models.domains.forecast import DomainForecast

# Days ahead: renewals of this time are looked at, and validations that have to begin in the first part of it.
AHEAD, SOON = 30, 7


def check_domains() -> Finding:
    """Check that each validation which a planned renewal needs is under way, or has some days yet."""
    from certline.models.calendar.validations import forecast_validations
    from certline.producers.domains.care import care_of_domains

    with context.database().transaction() as db:
        outlook = forecast_validations(db, days=AHEAD, next_only=True, selected_only=True)
        care = care_of_domains(db)
    short = [each for each in outlook.domains() if (each.account_id, each.domain) not in care]
    urgent = [each for each in short if (each.begin_by - outlook.rules.today).days < SOON]
    if not urgent:
        said = f"every validation reaches the renewals of {AHEAD} days, or is renewed in time"
        advice = "certline domain forecast" if short else None
        later = f"{len(short)} to validate within {AHEAD} days"
        return Finding("domains", True, later if short else said, advice)
    details = [_line(each) for each in urgent[:MOST_DETAILS]]
    if len(urgent) > MOST_DETAILS:
        details.append(f"and {len(urgent) - MOST_DETAILS} more")
    noun = "domain's validation ends" if len(urgent) == 1 else "domains' validations end"
    said = f"{len(urgent)} {noun} before a renewal that needs it, and none is under way"
    possible = next((each for each in urgent if not each.suspended), None)
    advice = "certline domain forecast"
    if possible is not None:
        advice = f"certline domain validate {quote(possible.domain)}"
    return Finding("domains", False, said, advice, tuple(details))


def check_validations() -> Finding:
    """Check that no validation under way waits for a person."""
    from certline.models.domains.validation import open_validations

    with context.database().transaction() as db:
        going = open_validations(db)
        waiting = [row for row in going if row.needs_person]
    if not waiting:
        return Finding("validations", True, f"{len(going)} under way, none waits for a person")
    details = [f"{row.domain}: {row.to_do}" for row in waiting[:MOST_DETAILS]]
    if len(waiting) > MOST_DETAILS:
        details.append(f"and {len(waiting) - MOST_DETAILS} more")
    said = f"{len(waiting)} of {len(going)} under way wait{'s' if len(waiting) == 1 else ''} for a person"
    advice = f"certline domain show {quote(waiting[0].domain)}"
    return Finding("validations", False, said, advice, tuple(details))


def _line(each: DomainForecast) -> str:
    names = f"{each.refused.total()} renewals, the first on {each.first}: {', '.join(each.names)}"
    if each.suspended:
        return f"{each.domain} is suspended at SCM: {names}"
    return f"{each.domain} has to be validated by {each.begin_by}: {names}"
