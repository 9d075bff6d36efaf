"""`certline schedule`: the periodic jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from certline.cli import context
from certline.cli.errors import Fault
from certline.cli.ui.grammar import Group
from certline.cli.ui.output import answer, say, table, whisper
from certline.models.documents.projection import minute
from certline.models.documents.schedule import ScheduleDocument

if TYPE_CHECKING:
    from certline.models import Schedule


@click.group(cls=Group)
def schedule() -> None:
    """Schedules: list the periodic jobs, change when they run, or run one now."""


@schedule.command("list")
def list_() -> None:
    """List schedules by name, with the next and the last run."""
    from certline.models.schedule import last_fired, schedules

    with context.database().transaction() as db:
        last = last_fired(db)
        found = [
            ScheduleDocument.of(row, last_fired_at=last.get(row.name)) for row in schedules(db)
        ]
    rows = [
        (row.name, row.cron, row.tz, row.enabled, minute(row.next_due), minute(row.last_fired_at))
        for row in found
    ]
    answer(
        found,
        lambda: table(
            ["schedule", "cron", "zone", "on", "next (UTC)", "last (UTC)"],
            rows,
            empty="There are no schedules: run `certline init`",
        ),
    )


@schedule.command()
@click.argument("name")
def run(name: str) -> None:
    """Run a schedule's job now; its next regular run is not changed."""
    from certline.producers.schedule import run_now

    try:
        counts = run_now(
            context.database(),
            name,
            context.settings().settle,
            requested_by=context.person(),
            heads=context.settings().audit_heads,
        )
    except KeyError:
        raise _unknown(name) from None
    told = ", ".join(f"{count} {what}" for what, count in counts.items())
    answer({"name": name, **counts}, lambda: say(f"{name}: {told}"))


@schedule.command("set")
@click.argument("name")
@click.option(
    "--cron",
    metavar="TEXT",
    help="Five fields: minute, hour, day of the month, month, day of the week. '30 5 * * *': 05:30 every day.",
)
@click.option("--tz", metavar="ZONE", help="The time zone of --cron, such as Europe/Berlin.")
@click.option("--on", is_flag=True, help="Run it again.")
@click.option("--off", is_flag=True, help="Do not run it any more.")
def set_(name: str, *, cron: str | None, tz: str | None, on: bool, off: bool) -> None:
    """Change when a schedule runs. Running producers follow within seconds.

    A schedule that is off can still be run by hand: certline schedule run NAME.
    """
    from certline.models.schedule import change_schedule, last_fired

    if on and off:
        raise click.UsageError("--on and --off exclude each other")
    enabled = on if on or off else None
    if cron is None and tz is None and enabled is None:
        raise click.UsageError("say what to change: --cron, --tz, --on or --off")
    with context.database().transaction() as db:
        try:
            changed = change_schedule(
                db, name, who=context.person(), cron=cron, tz=tz, enabled=enabled
            )
        except KeyError:
            raise _unknown(name) from None
        last = last_fired(db).get(name)
    if name in NEEDED and not changed.enabled:
        whisper(f"warning: {name} is off: {NEEDED[name]}")
    answer(
        ScheduleDocument.of(changed, last_fired_at=last),
        lambda: say(_told(changed)),
    )


# What stops while a schedule is off.
NEEDED = {
    "sync": "organisations, domains and profiles are read again only by `certline sync`",
    "poll": "orders that nothing else asks about are not asked about daily, and drift is not found",
    "sweep": "lost follow-ups are not found, and held orders are not released",
    "auto-renew": "no certificate is renewed automatically",
}


def _told(changed: Schedule) -> str:
    if not changed.enabled:
        return f"{changed.name} is off"
    return f"{changed.name} runs at {changed.cron!r} ({changed.tz}), next {minute(changed.next_due)} UTC"


def _unknown(name: str) -> Fault:
    from certline.models.schedule import schedules

    with context.database().transaction() as db:
        known = ", ".join(row.name for row in schedules(db))
    return Fault(f"schedule {name!r} is not known; known schedules: {known}")
