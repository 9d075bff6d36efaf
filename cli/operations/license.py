"""`certline license`: the number of lines that may be managed."""

from datetime import date
from typing import Literal

import click

from certline.cli import context
from certline.cli.parameters.number import Whole
from certline.cli.ui.grammar import Group
from certline.cli.ui.output import answer, facts, say, whisper
from certline.models.documents.license import LicenseDocument, OutlookDocument
from certline.models.documents.projection import minute

RENEW = "to renew it: certline license set N --until DATE"


def _last_day(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> date | Literal["never"] | None:
    if text is None or text == "never":
        return None if text is None else "never"
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is neither a date such as 2027-03-31 nor `never`"
        ) from None


@click.group(cls=Group)
def license() -> None:  # noqa: A001  # the noun
    """The licence: how many lines (certificates with their successors) may be managed."""


@license.command()
def show() -> None:
    """Show the capacity, the lines in use, held and in flight, and when the licence runs out.

    The estimate uses the new orders of the last 30 days; renewals and reissues need no further line.
    """
    from certline.models.certificates.license_forecast import outlook

    with context.database().transaction() as db:
        ahead = OutlookDocument.of(outlook(db))
    answer(ahead, lambda: _show(ahead))


# So that `-1` is reported as a number out of range, not as an unknown option.
@license.command("set", context_settings={"ignore_unknown_options": True})
@click.argument("capacity", metavar="N", type=Whole(0, 2_000_000_000))
@click.option(
    "--until",
    metavar="DATE",
    callback=_last_day,
    help="The licence's last day, such as 2027-03-31, or `never`. Default: it keeps its end.",
)
def set_(capacity: int, until: date | Literal["never"] | None) -> None:
    """Set the capacity. Held orders go on automatically, the oldest first, while lines are free.

    After its last day the licence has no free lines: new certificates are held. Renewals and reissues go
    on, and nothing else stops. To renew it, set it again with another day.
    """
    from certline.producers.requests.license import set_license

    now, released = set_license(
        context.database(), capacity, until=until, requested_by=context.person()
    )
    use = LicenseDocument.of(now)
    answer(use, lambda: _set(use, released))


def _facts(use: LicenseDocument | OutlookDocument) -> dict[str, object]:
    return {
        "capacity": use.capacity,
        "used": use.used,
        "available": use.available,
        "held orders": use.held,
        "valid until": _end(use),
    }


def _end(use: LicenseDocument | OutlookDocument) -> str:
    if use.valid_until is None or use.days_left is None:
        return "no end"
    if use.days_left <= 0:
        return f"{use.valid_until}: it has ended, and new lines are held"
    return f"{use.valid_until} ({use.days_left} days left)"


def _show(ahead: OutlookDocument) -> None:
    from certline.models.certificates.license_expiry import WARN_DAYS
    from certline.models.certificates.license_forecast import RATE_DAYS

    full = ahead.available <= ahead.held + ahead.in_flight
    if ahead.days_left is not None and 0 < ahead.days_left <= WARN_DAYS:
        whisper(f"warning: the licence ends in {ahead.days_left} days; {RENEW}")
    facts(
        _facts(ahead)
        | {
            "in flight": ahead.in_flight,
            "new orders": f"{ahead.new_orders_per_day:.1f} per day (over the last {RATE_DAYS} days)",
            "runs out": "now: held and in-flight orders need all free lines"
            if full
            else (minute(ahead.runs_out_at) or "never at this rate"),
        }
    )


def _set(use: LicenseDocument, released: int) -> None:
    facts(_facts(use))
    if use.used > use.capacity:
        say(
            f"\n{use.used:,} lines are in use, {use.used - use.capacity:,} more than the capacity. They stay "
            "stored and are renewed;\nnew certificates are held until the capacity is raised or lines are freed: "
            "certline license set N"
        )
    if released:
        say(f"\n{released} held orders go on.")
    elif use.days_left is not None and use.days_left <= 0:
        say(f"\nThe licence has ended: certline license set {use.capacity} --until DATE")
    elif use.held:
        say(f"\nThere is still no free line for the {use.held} held orders.")
