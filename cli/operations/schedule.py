"""`certline schedule`: the periodic jobs."""

import rich_click as click

from certline.cli import context
from certline.cli.errors import Fault
from certline.cli.ui.documents import ScheduleDocument
from certline.cli.ui.grammar import Group
from certline.cli.ui.output import answer, say, table
from certline.cli.ui.projection import minute
from certline.models.schedule import last_fired, schedules
from certline.producers.schedule import run_now


@click.group(cls=Group)
def schedule() -> None:
    """Schedules: list the periodic jobs, or run one now."""


@schedule.command("list")
def list_() -> None:
    """List schedules by name, with the next and the last run."""
    with context.database().transaction() as db:
        last = last_fired(db)
        found = [
            ScheduleDocument.of(row).model_copy(update={"last_fired_at": last.get(row.name)})
            for row in schedules(db)
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
    try:
        counts = run_now(
            context.database(), name, context.settings().settle, requested_by=context.person()
        )
    except KeyError:
        with context.database().transaction() as db:
            known = ", ".join(row.name for row in schedules(db))
        raise Fault(f"schedule {name!r} is not known; known schedules: {known}") from None
    told = ", ".join(f"{count} {what}" for what, count in counts.items())
    answer({"name": name, **counts}, lambda: say(f"{name}: {told}"))
