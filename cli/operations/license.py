"""`certline license`: how many certificates may be managed."""

import rich_click as click

from certline.cli import context
from certline.cli.ui.documents import license_document, minute, outlook_document
from certline.cli.ui.grammar import Group
from certline.cli.ui.output import answer, facts, say
from certline.models.certificates.license import LicenseUse
from certline.models.certificates.license_forecast import RATE_DAYS, Outlook, outlook
from certline.producers.requests.orders import set_license


@click.group(cls=Group)
def license() -> None:  # noqa: A001  # the noun
    """How many certificates may be managed; renewals and reissues count once."""


@license.command()
def show() -> None:
    """Capacity, what is in use, held and in flight, and when it runs out at the present rate.

    The rate is that of new orders in the last 30 days; renewals and reissues take no licence.
    """
    with context.database().transaction() as db:
        ahead = outlook(db)
    answer(outlook_document(ahead), lambda: _show(ahead))


# `-1` is a number that is refused, not an option that is unknown.
@license.command("set", context_settings={"ignore_unknown_options": True})
@click.argument("capacity", metavar="N", type=click.IntRange(min=0, max=2_000_000_000))
def set_(capacity: int) -> None:
    """Set the capacity. Held orders go on by themselves, the oldest first, as far as there is room."""
    use, released = set_license(context.database(), capacity, requested_by=context.person())
    answer(license_document(use), lambda: _set(use, released))


def _facts(use: LicenseUse) -> dict[str, object]:
    return {
        "capacity": use.capacity,
        "used": use.used,
        "available": use.available,
        "held orders": use.held,
    }


def _show(ahead: Outlook) -> None:
    full = ahead.use.available <= ahead.use.held + ahead.in_flight
    facts(
        _facts(ahead.use)
        | {
            "in flight": ahead.in_flight,
            "new orders": f"{ahead.per_day:.1f} a day (of the last {RATE_DAYS} days)",
            "runs out": "now: what is held and in flight takes all the room"
            if full
            else (minute(ahead.runs_out_at) or "never at this rate"),
        }
    )


def _set(use: LicenseUse, released: int) -> None:
    facts(_facts(use))
    if released:
        say(f"\n{released} held orders go on.")
    elif use.held:
        say(f"\nThere is no room for the {use.held} held orders yet.")
