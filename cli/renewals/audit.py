"""`certline auto-renew audit`: the runs of auto-renewal and their decisions."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

import click

from certline.cli import context
from certline.cli.parameters.number import Whole
from certline.cli.parameters.options import moment
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.grid import Column, print_grid
from certline.cli.ui.listing import SCREENFUL
from certline.cli.ui.output import answer, as_json, say, whisper
from certline.models.documents.projection import minute
from certline.models.documents.renewal import decision_document, run_document
from certline.models.states import Decision

if TYPE_CHECKING:
    from certline.models.renewals.runs import AutoRenewRun, Decided

# Runs shown without --since, at most.
USUAL = 30


@click.command(cls=CliCommand)
@click.option(
    "--since",
    callback=moment,
    metavar="TIME",
    help=f"Only runs from this date or time on; default: the last {USUAL} runs.",
)
@click.option(
    "--decision",
    "decisions",
    multiple=True,
    type=click.Choice([decision.value for decision in Decision]),
    help="Only these decisions; repeatable.",
)
@click.option("--certificate", metavar="CERT", help="Only decisions about this certificate.")
@click.option(
    "--limit",
    type=Whole(1),
    metavar="N",
    help=f"At most this many decisions; default {SCREENFUL}, with --json all of them.",
)
def audit(
    *,
    since: datetime | None,
    decisions: tuple[str, ...],
    certificate: str | None,
    limit: int | None,
) -> None:
    """Show runs with their counts and their decision about each certificate, the newest first.

    A renewal that failed after its run had ended counts as failed.
    """
    from certline.models.certificates.certificate import certificate_known_as
    from certline.models.renewals.runs import counts_of, decisions_of, runs_since

    most = limit or (None if as_json() else SCREENFUL)
    with context.database().transaction() as db:
        runs = runs_since(db, since, limit=USUAL if since is None else None)
        ids = [run.id for run in runs]
        counts = counts_of(db, ids)
        found = None if certificate is None else certificate_known_as(db, certificate)
        decided = decisions_of(
            db,
            ids,
            decisions=[Decision(word) for word in decisions],
            # A deleted certificate is still in these records, under its id.
            certificate_id=found.id if found else certificate,
            most=most,
        )
    narrowed = bool(decisions or certificate)
    by_run: dict[str, list[Decided]] = {}
    for each in decided:
        by_run.setdefault(each.row.run_id, []).append(each)
    shown = [run for run in runs if run.id in by_run or not narrowed]
    if decisions and certificate is None:  # `limit` may have cut off the decisions of older runs
        words = [Decision(word) for word in decisions]
        shown = [run for run in runs if any(counts[run.id][word] for word in words)]
    documents = [
        run_document(run, counts[run.id])
        | {"decisions": [decision_document(each) for each in by_run.get(run.id, [])]}
        for run in shown
    ]
    answer(documents, lambda: _people(shown, counts, decided))
    if len(decided) == most:
        whisper(
            f"There may be more than these {most} decisions: --limit N, --decision, --certificate"
        )


def _people(
    runs: list[AutoRenewRun], counts: dict[str, Counter[Decision]], decided: list[Decided]
) -> None:
    from certline.models.renewals.runs import AutoRenewRun, Decided

    if not runs:
        say("There is no such run. To run it now: certline auto-renew run")
        return
    print_grid(
        [
            Column[AutoRenewRun]("started (UTC)", lambda run: minute(run.started_at)),
            Column[AutoRenewRun]("ended (UTC)", lambda run: minute(run.ended_at), rank=3),
            Column[AutoRenewRun]("by", lambda run: run.requested_by, rank=2),
            Column[AutoRenewRun]("looked at", lambda run: str(run.looked_at), rank=1),
            Column[AutoRenewRun]("due", lambda run: str(counts[run.id].total())),
            *(_counted(decision, counts) for decision in Decision),
        ],
        runs,
    )
    if not decided:
        return
    say("")
    print_grid(
        [
            Column[Decided]("decided (UTC)", lambda each: minute(each.row.decided_at), rank=4),
            Column[Decided]("certificate", lambda each: each.row.certificate_id, rank=5),
            Column[Decided]("common name", lambda each: each.row.common_name, may_be_cut=True),
            Column[Decided]("expires (UTC)", lambda each: minute(each.row.not_after), rank=2),
            Column[Decided]("planned", lambda each: minute(each.row.planned), rank=3),
            Column[Decided]("decision", lambda each: each.decision),
            Column[Decided]("new", lambda each: each.new_certificate_id or each.order_id, rank=6),
            Column[Decided]("selected by", lambda each: each.row.selected_by, rank=7),
            Column[Decided]("why", lambda each: each.reason, rank=1, may_be_cut=True),
        ],
        decided,
    )


def _counted(decision: Decision, counts: dict[str, Counter[Decision]]) -> Column[AutoRenewRun]:
    from certline.models.renewals.runs import AutoRenewRun

    return Column[AutoRenewRun](decision.value, lambda run: str(counts[run.id][decision]))
