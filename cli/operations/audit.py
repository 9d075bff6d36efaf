"""`certline audit`: the audit log, and the proof that it was not altered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from certline.cli import context
from certline.cli.errors import DONE, FAILED, WRONG_USE, Fault
from certline.cli.parameters.options import moment
from certline.cli.parameters.text_file import TextFile, TextFileType
from certline.cli.ui.grammar import CliCommand, Group
from certline.cli.ui.grid import Column
from certline.cli.ui.listing import ListView, show_pages, view_options
from certline.cli.ui.lookup import find_event
from certline.cli.ui.output import answer, as_json, leave, say, whisper
from certline.models.audit.identity import Identity
from certline.models.documents.audit import BreakDocument, EventDocument
from certline.models.documents.projection import second

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from certline.models.audit.chain import Break
    from certline.models.audit.head import Head

# Breaks that are listed, at most; the first ones show where the alteration begins.
MOST_BREAKS = 100


@click.group(cls=Group)
def audit() -> None:
    """The audit log: who did what and when; append-only and hash-chained."""


ENTRIES = [
    Column[EventDocument]("entry", lambda row: row.id, rank=2),
    Column[EventDocument]("when (UTC)", lambda row: second(row.at)),
    Column[EventDocument]("who", lambda row: str(Identity(row.who, row.claimed)), may_be_cut=True),
    Column[EventDocument]("what", lambda row: row.what),
    Column[EventDocument]("subject", lambda row: row.subject, rank=1, may_be_cut=True),
    Column[EventDocument]("why", lambda row: row.why, rank=3, may_be_cut=True),
]


@audit.command("list", cls=CliCommand)
@click.option(
    "--since", callback=moment, metavar="TIME", help="Only entries from this date or time on."
)
@click.option(
    "--until", callback=moment, metavar="TIME", help="Only entries before this date or time."
)
@click.option(
    "--who",
    metavar="NAME",
    help="Only entries of this name, as os:amelie, amqp:shop, certline:sweep.",
)
@click.option(
    "--what",
    "types",
    multiple=True,
    metavar="TYPE",
    help="Only this type, as order.placed or 'certificate.*'; * is any characters; repeatable.",
)
@click.option("--subject", metavar="ID", help="Only entries about this order, certificate, …")
@view_options("time")
def list_(
    *,
    since: datetime | None,
    until: datetime | None,
    who: str | None,
    types: tuple[str, ...],
    subject: str | None,
    view: ListView,
) -> None:
    """List audit entries, the newest first."""
    from certline.models.listing import events_listed

    narrowed = any((since, until, who, types, subject))
    show_pages(
        events_listed(since=since, until=until, who=who, types=types, subject=subject),
        view,
        find=find_event,
        document=EventDocument.of,
        columns=ENTRIES,
        empty="There is no such entry." if narrowed else "The audit log is empty.",
    )


@audit.command()
@click.option(
    "--head",
    "kept",
    metavar="HEAD",
    help="A head printed by an earlier verify; proves that the log still contains it.",
)
@click.option(
    "--against",
    "files",
    multiple=True,
    type=TextFileType(),
    metavar="FILE",
    help="A file with heads that were kept: that of CERTLINE_AUDIT_HEADS, audit.head events one a line, or heads "
    "alone; - is standard input; repeatable.",
)
def verify(kept: str | None, files: tuple[TextFile, ...]) -> None:
    """Verify that the audit log was not altered; list each changed, removed or inserted entry, and exit 1.

    Prints the head of the hash chain. Keep it elsewhere and pass it to --head later, to prove that the log
    was not rewritten as a whole. The producer publishes it each hour: --against compares with all that were kept.
    """
    from certline.models.audit.chain import breaks_in, entries_in, head_of
    from certline.models.database.session import one_state

    before = _head(kept) + [each for file in files for each in _heads(file)]
    with context.database().transaction() as db:
        # REPEATABLE READ: entries added during the check would otherwise look inserted.
        one_state(db)
        found = list(islice(breaks_in(db, before), MOST_BREAKS + 1))
        entries, head = entries_in(db), head_of(db)
        restores = _restores(db)
    document = {
        "whole": not found,
        "entries": entries,
        "head": str(head),
        "heads": len(before),
        "breaks": [BreakDocument.of(each) for each in found[:MOST_BREAKS]],
        "restores": restores,
    }
    answer(document, lambda: _tell(found, entries, head, len(before)))
    if not as_json():
        _tell_restores(restores, found)
    leave(FAILED if found else DONE)


def _restores(db: Session) -> list[dict[str, Any]]:
    """Return the restores of the database that the log tells of, the oldest first."""
    from sqlalchemy import select

    from certline.models import AuditEntry
    from certline.models.documents.projection import instant

    query = select(AuditEntry).where(AuditEntry.type == "database.restored").order_by(AuditEntry.id)
    return [
        {"at": instant(each.at), "known_until": each.data.get("known_until"), "why": each.why}
        for each in db.scalars(query)
    ]


def _tell_restores(restores: Sequence[dict[str, Any]], found: Sequence[Break]) -> None:
    for each in restores:
        say(f"The database was restored on {each['at']}: {each['why']}.")
        say(f"  Entries after {each['known_until']} were lost with what was restored over.")
    if restores and any(each.kind == "rewritten" for each in found):
        say(
            "Heads kept in that time cannot be in the log any more; those from before it still have to be."
        )


def _heads(file: TextFile) -> list[Head]:
    """Return the heads in a file. Raises Fault if it has none, or a line that is not one."""
    from certline.models.audit.kept_heads import BadHeadsError, heads_in

    lines = file.lines()
    if lines[-1] and lines[-1].startswith("{") and not lines[-1].endswith("}"):
        # Its writer died, or the disk was full: what came before it is as good as ever.
        whisper(f"warning: the last line of {file.name} is incomplete, and was left out")
        lines.pop()
    try:
        found = [each.head for each in heads_in(lines)]
    except BadHeadsError as error:
        raise Fault(f"--against: {file.name}, {error}", code=WRONG_USE) from None
    if not found:
        raise Fault(f"--against: there is no head in {file.name}", code=WRONG_USE)
    return found


def _head(text: str | None) -> list[Head]:
    from certline.models.audit.head import BadHeadError, Head

    if text is None:
        return []
    try:
        return [Head.of(text)]
    except BadHeadError as error:
        raise Fault(f"--head: {error}", code=WRONG_USE) from None


def _tell(found: Sequence[Break], entries: int, head: Head, heads: int) -> None:
    if not found:
        compared = f" All heads that were kept are in it: {heads:,}." if heads else ""
        say(f"The log is intact: {entries:,} entries.{compared}\nIts head: {head}")
        whisper("Keep this head outside the database, for a later: certline audit verify --head …")
        return
    more = "more than " if len(found) > MOST_BREAKS else ""
    shown = found[:MOST_BREAKS]
    say(f"The log was altered in {more}{len(shown)} places:")
    for each in shown:
        say(f"  {each.kind}: {each.text}")
