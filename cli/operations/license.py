"""`certline license`: the number of lines that may be managed."""

import rich_click as click

from certline.cli import context
from certline.cli.ui.documents import LicenseDocument, OutlookDocument
from certline.cli.ui.grammar import Group
from certline.cli.ui.output import answer, facts, say
from certline.cli.ui.projection import minute
from certline.models.certificates.license_forecast import RATE_DAYS, outlook
from certline.producers.requests.license import set_license


@click.group(cls=Group)
def license() -> None:  # noqa: A001  # the noun
    """The licence: how many lines (certificates with their successors) may be managed."""


@license.command()
def show() -> None:
    """Show the capacity, the lines in use, held and in flight, and when the licence runs out.

    The estimate uses the new orders of the last 30 days; renewals and reissues need no further line.
    """
    with context.database().transaction() as db:
        ahead = OutlookDocument.of(outlook(db))
    answer(ahead, lambda: _show(ahead))


# So that `-1` is reported as a number out of range, not as an unknown option.
@license.command("set", context_settings={"ignore_unknown_options": True})
@click.argument("capacity", metavar="N", type=click.IntRange(min=0, max=2_000_000_000))
def set_(capacity: int) -> None:
    """Set the capacity. Held orders go on automatically, the oldest first, while lines are free."""
    now, released = set_license(context.database(), capacity, requested_by=context.person())
    use = LicenseDocument.of(now)
    answer(use, lambda: _set(use, released))


def _facts(use: LicenseDocument | OutlookDocument) -> dict[str, object]:
    return {
        "capacity": use.capacity,
        "used": use.used,
        "available": use.available,
        "held orders": use.held,
    }


def _show(ahead: OutlookDocument) -> None:
    full = ahead.available <= ahead.held + ahead.in_flight
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
    elif use.held:
        say(f"\nThere is still no free line for the {use.held} held orders.")
