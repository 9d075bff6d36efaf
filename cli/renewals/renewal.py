"""`certline renewal`: batches of renewals, which `certline certificate renew` begins."""

import rich_click as click

from certline.cli import context
from certline.cli.certificates.renew import Pace
from certline.cli.errors import NOTHING, Fault
from certline.cli.ui.documents import minute
from certline.cli.ui.grammar import Group
from certline.cli.ui.output import answer, leave, table
from certline.cli.waiting.batch import (
    answer_batch,
    batch_document,
    find_batch,
    progress,
    standing_of,
    wait_for_batch,
)
from certline.models.renewals.batch import batches
from certline.producers.renewals import batches as renewing_many


@click.group(cls=Group)
def renewal() -> None:
    """Many renewals at once: how far they are; paused, resumed and cancelled.

    A batch begins with `certline certificate renew` and filters, --file or --pace.
    """


@renewal.command("list")
def list_() -> None:
    """Batches, the newest first."""
    with context.database().transaction() as db:
        found = [standing_of(db, batch) for batch in batches(db)]
    rows = [
        (now.batch.id, now.batch.status, minute(now.batch.created_at), progress(now))
        for now in found
    ]
    answer(
        [batch_document(now) for now in found],
        lambda: table(
            ["batch", "status", "begun (UTC)", "progress"],
            rows,
            empty="There is no batch yet. The first: certline certificate renew --help",
        ),
    )


@renewal.command()
@click.argument("name", metavar="BATCH")
def show(name: str) -> None:
    """One batch: how far it is, when it ends, and what failed, with the reason."""
    with context.database().transaction() as db:
        found = find_batch(db, name)
    answer_batch(found.id)


@renewal.command()
@click.argument("name", metavar="BATCH")
def pause(name: str) -> None:
    """Send nothing more of a batch until it is resumed. What was released goes on."""
    with context.database().transaction() as db:
        found = find_batch(db, name)
    if not renewing_many.pause(context.database(), found.id, who=context.person()):
        raise Fault(f"batch {found.id} has nothing that could be paused", code=NOTHING)
    answer_batch(found.id)


@renewal.command()
@click.argument("name", metavar="BATCH")
@click.option("--pace", type=Pace(), metavar="N/h", help="From now on so many an hour.")
def resume(name: str, *, pace: int | None) -> None:
    """Go on with a paused batch; with --pace also change how fast one goes on."""
    with context.database().transaction() as db:
        found = find_batch(db, name)
    if not renewing_many.resume(context.database(), found.id, pace=pace, who=context.person()):
        raise Fault(f"batch {found.id} is {found.status}: nothing to resume", code=NOTHING)
    answer_batch(found.id)


@renewal.command()
@click.argument("name", metavar="BATCH")
def cancel(name: str) -> None:
    """Give up what of a batch waits for its turn. What was released goes on."""
    with context.database().transaction() as db:
        found = find_batch(db, name)
    if not renewing_many.cancel(context.database(), found.id, who=context.person()):
        raise Fault(
            f"batch {found.id} has nothing left that waits for its turn",
            hint="An order that was placed already: certline order cancel --help",
            code=NOTHING,
        )
    answer_batch(found.id)


@renewal.command()
@click.argument("name", metavar="BATCH")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Stay no longer than this, then exit 5. The batch goes on.",
)
def wait(name: str, *, timeout: float | None) -> None:
    """Stay until a batch has ended, with progress."""
    with context.database().transaction() as db:
        found = find_batch(db, name)
    code = wait_for_batch(context.database(), found.id, timeout)
    answer_batch(found.id)
    leave(code)
