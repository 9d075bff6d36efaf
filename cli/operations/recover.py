"""`certline recover`: what the line does after its database was restored."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from certline.cli import context
from certline.cli.confirmation import confirm
from certline.cli.errors import DONE, NO_SERVER, NOTHING, WAITS, WRONG_USE, Fault
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.output import answer, facts, leave, say, whisper
from certline.models.documents.projection import instant

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from certline.models import Database, Recovery

REISSUES = (
    "certline certificate list --key-lost --json | jq -r '.[].id' | "
    "xargs -n 1 certline certificate reissue --reason 'key lost with the database'"
)
PHASES = {
    "settled": "no recovery is in progress",
    "noticed": "a restore was noticed; a producer begins the recovery",
    "waiting": "it waits until what was on its way to SCM has arrived there",
    "comparing": "SCM's lists are compared with the database",
    "fetching": "certificates that were found are collected",
}
AHEAD = {
    "adopted": "orders taken in",
    "renewals": "renewals tied to their line",
    "reissues": "reissues tied to their line",
    "keys_lost": "certificates without a key",
    "looked_up": "orders looked up, with their keys",
    "to_decide": "orders for you to decide",
    "commands_waiting": "commands that wait",
}
# Orders of each kind that are named for people.
MOST_SHOWN = 10


@click.command(cls=CliCommand)
@click.option("--status", "only_status", is_flag=True, help="Only show how far a recovery is.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Compare SCM, with calls that only read, and show what a recovery would find; begin and change nothing.",
)
@click.option(
    "--accept",
    is_flag=True,
    help="End the recovery, or the wait for a relay, without comparing: orders go on at once, and may be sent a "
    "second time.",
)
@click.option("--yes", is_flag=True, help="Don't ask.")
def recover(*, only_status: bool, dry_run: bool, accept: bool, yes: bool) -> None:
    """Compare SCM with a database that was restored; until that is done, nothing is ordered.

    A recovery begins by itself when a restore is noticed, and the producer and the workers carry it out. Without
    options this command begins one by hand, or begins it again: after a restore that nothing showed, or once an
    import of it has failed. While one is in progress the exit code is 3.
    """
    from certline.models.restore.recovery import UNCOMPARED, is_compared, recovery_of
    from certline.producers import recovery

    if sum((only_status, dry_run, accept)) > 1:
        raise Fault("--status, --dry-run and --accept exclude each other", code=WRONG_USE)
    database = context.database()
    with database.transaction() as db:
        row, was_compared = recovery_of(db), is_compared(db)
    if accept and not row.in_progress and was_compared:
        answer(
            _read(database),
            lambda: whisper("No recovery is in progress: there is nothing to accept."),
        )
        leave(NOTHING)
    if accept:
        confirm(
            f"The database was restored: {row.why}" if row.in_progress else f"{UNCOMPARED}.",
            "Send orders although SCM may have them already?",
            yes=yes,
            declined="The recovery goes on" if row.in_progress else "Orders wait for a relay",
        )
    if dry_run:
        document = _read(database) | {"dry_run": _ahead(database, row)}
    elif only_status:
        document = _read(database)
    else:
        with database.transaction() as db:
            if accept:
                why = "accepted as it is"
                row = recovery.accept_as_it_is(db, requested_by=context.person(), why=why)
            else:
                why = "requested by a person"
                row = recovery.begin(db, requested_by=context.person(), why=why)
            document = _document(db, row)
    answer(document, lambda: _show(document))
    leave(WAITS if document["recovering"] else DONE)


def _read(database: Database) -> dict[str, Any]:
    from certline.models.restore.recovery import recovery_of

    with database.transaction() as db:
        return _document(db, recovery_of(db))


def _document(db: Session, row: Recovery) -> dict[str, Any]:
    from certline.models.restore.recovery import is_compared
    from certline.producers.recovery import imports_of, keys_lost

    def at(moment: datetime | None) -> str | None:
        return None if moment is None else instant(moment)

    return {
        "recovering": row.in_progress,
        "compared": is_compared(db),
        "phase": row.phase.value,
        "number": row.number,
        "why": row.why,
        "noticed_at": at(row.noticed_at),
        "known_until": at(row.known_until),
        "compares_at": at(row.compares_at),
        "settled_at": at(row.settled_at),
        "identity": {"cluster": row.cluster, "timeline": row.timeline, "database": row.database},
        "imports": imports_of(db, row),
        "keys_lost": keys_lost(db),
        "result": row.result,
    }


def _ahead(database: Database, row: Recovery) -> dict[str, Any]:
    """Return what a recovery would find. Raises Fault if SCM can't be read."""
    from certline.producers.recovery import surely_known
    from certline.producers.recovery_outlook import look_ahead
    from certline.workers.importing.recovery_preview import RecoveryPreview
    from certline.workers.runtime.context import WorkerContext
    from certline.workers.runtime.outcomes import AccountSuspendedError, GiveUp, TryLater

    # Without an entry in the audit log the database is empty: it knows nothing of what SCM has.
    since = row.known_until or database.run(surely_known) or datetime.fromtimestamp(0, UTC)
    line = WorkerContext(database, context.vault(), context.settings())
    try:
        return RecoveryPreview(line, since, look_ahead, _progress).document()
    except TryLater as later:
        raise Fault(f"SCM cannot be read now: {later}", code=NO_SERVER) from None
    except (GiveUp, AccountSuspendedError) as over:
        raise Fault(f"SCM cannot be read: {over}", hint="Mend it: certline account list") from None


def _progress(said: str) -> None:
    if sys.stderr.isatty():
        whisper(said)


def _show(document: dict[str, Any]) -> None:
    shown = {
        "recovery": PHASES[document["phase"]],
        "why": document["why"] or "-",
        "noticed (UTC)": document["noticed_at"] or "-",
        "surely known until (UTC)": document["known_until"] or "-",
        "SCM is compared from (UTC)": document["compares_at"] or "-",
        "ended (UTC)": document["settled_at"] or "-",
        "keys lost": document["keys_lost"],
    }
    if not document["compared"]:
        from certline.models.restore.recovery import UNCOMPARED

        shown["orders"] = UNCOMPARED
    result = document["result"] or {}
    for name in ("orders_found", "renewals", "reissues", "looked_up", "to_decide"):
        if name in result:
            shown[name.replace("_", " ")] = result[name]
    if "licence" in result:
        use = result["licence"]
        shown["licence"] = f"{use['used']} of {use['capacity']} in use, {use['held']} held"
    for each in document["imports"]:
        shown[f"account {each['account']}"] = f"import {each['command']}: {each['status']}"
    facts(shown)
    if "dry_run" in document:
        _show_ahead(document["dry_run"])
    failed = [each for each in document["imports"] if each["status"] in ("failed", "review")]
    if failed and document["recovering"]:
        say("\nAn import has failed: once its cause is gone, certline recover begins again.")
    if document["keys_lost"]:
        whisper(f"To give certificates whose key was lost a new one:\n{REISSUES}")
    if result.get("to_decide"):
        whisper("For you to decide: certline order list --status review")


def _show_ahead(ahead: dict[str, Any]) -> None:
    say("\nA recovery would find at SCM (nothing was changed):")
    use = ahead["licence"]
    shown: dict[str, Any] = {words: ahead[name] for name, words in AHEAD.items()}
    shown["licence"] = f"{use['used']} of {use['capacity']} in use, {use['held']} held"
    for each in ahead["accounts"]:
        read = f"{each['listed']} listed, {each['known']} known, {each['others']} of others"
        shown[f"account {each['account']}"] = f"{read}, {each['failed']} cannot be read"
    facts(shown)
    for name, words in AHEAD.items():
        for each in ahead["named"].get(name, [])[:MOST_SHOWN]:
            say(f"  {words}: {each['common_name']} ({each['order'] or each['scm_id']})")
        left = ahead[name] - MOST_SHOWN if name in ahead["named"] else 0
        if left > 0:
            say(f"  … and {left} more: --json has the first hundred of each")
