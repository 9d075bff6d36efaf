"""`certline renewal`: batches of renewals, which `certline certificate renew` starts."""

import click

from certline.cli import context
from certline.cli.errors import NOTHING, Fault
from certline.cli.parameters.number import Seconds
from certline.cli.parameters.options import PaceType
from certline.cli.ui.grammar import Group
from certline.cli.ui.output import answer, leave, table
from certline.cli.waiting.batch import (
    answer_batch,
    find_batch,
    progress,
    wait_for_batch,
)
from certline.models.documents.projection import minute
from certline.models.documents.renewal import batch_document


@click.group(cls=Group)
def renewal() -> None:
    """Batches of renewals: show their progress, pause, resume or cancel them.

    `certline certificate renew` with filters, --file or --pace starts a batch.
    """


@renewal.command("list")
def list_() -> None:
    """List batches, the newest first."""
    from certline.models.renewals import batch
    from certline.models.renewals.batch_state import standing_of

    with context.database().transaction() as db:
        found = [standing_of(db, each) for each in batch.batches(db)]
    rows = [
        (now.batch.id, now.batch.status, minute(now.batch.created_at), progress(now))
        for now in found
    ]
    answer(
        [batch_document(now) for now in found],
        lambda: table(
            ["batch", "status", "started (UTC)", "progress"],
            rows,
            empty="There are no batches yet. To start one: certline certificate renew --help",
        ),
    )


@renewal.command()
@click.argument("name", metavar="BATCH")
def show(name: str) -> None:
    """Show one batch: its progress, its expected end, and what failed and why."""
    with context.database().transaction() as db:
        found = find_batch(db, name)
    answer_batch(found.id)


@renewal.command()
@click.argument("name", metavar="BATCH")
def pause(name: str) -> None:
    """Pause a batch: nothing more is sent until it is resumed. Renewals already released go on."""
    from certline.producers.renewals import batches

    with context.database().transaction() as db:
        found = find_batch(db, name)
    if not batches.pause(context.database(), found.id, who=context.person()):
        raise Fault(f"batch {found.id} has nothing that could be paused", code=NOTHING)
    answer_batch(found.id)


@renewal.command()
@click.argument("name", metavar="BATCH")
@click.option(
    "--pace", type=PaceType(), metavar="N/h", help="The new pace: at most this many per hour."
)
def resume(name: str, *, pace: int | None) -> None:
    """Resume a paused batch. With --pace, change the pace; this also works for a running batch."""
    from certline.producers.renewals import batches

    with context.database().transaction() as db:
        found = find_batch(db, name)
    if not batches.resume(context.database(), found.id, pace=pace, who=context.person()):
        raise Fault(f"batch {found.id} is {found.status}: nothing to resume", code=NOTHING)
    answer_batch(found.id)


@renewal.command()
@click.argument("name", metavar="BATCH")
def cancel(name: str) -> None:
    """Cancel the renewals of a batch that wait for their turn. Those already released go on."""
    from certline.producers.renewals import batches

    with context.database().transaction() as db:
        found = find_batch(db, name)
    if not batches.cancel(context.database(), found.id, who=context.person()):
        raise Fault(
            f"batch {found.id} has nothing left that waits for its turn",
            hint="To cancel an order that was already placed: certline order cancel --help",
            code=NOTHING,
        )
    answer_batch(found.id)


@renewal.command()
@click.argument("name", metavar="BATCH")
@click.option(
    "--timeout",
    type=Seconds(),
    metavar="SECONDS",
    help="Wait at most this long, then exit 5. The batch goes on.",
)
def wait(name: str, *, timeout: float | None) -> None:
    """Wait until a batch has ended, and show its progress."""
    with context.database().transaction() as db:
        found = find_batch(db, name)
    code = wait_for_batch(context.database(), found.id, timeout)
    answer_batch(found.id)
    leave(code)
