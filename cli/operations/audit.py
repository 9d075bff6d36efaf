"""`certline audit`: who did what and when, and the proof that nobody rewrote it."""

from collections.abc import Sequence
from datetime import datetime
from itertools import islice

import rich_click as click

from certline.cli import context
from certline.cli.errors import DONE, FAILED, WRONG_USE, Fault
from certline.cli.ui.documents import break_document, event_document, minute
from certline.cli.ui.grammar import Command as Listing
from certline.cli.ui.grammar import Group
from certline.cli.ui.grid import Column
from certline.cli.ui.listing import View, show_pages, view_options
from certline.cli.ui.lookup import find_event
from certline.cli.ui.options import moment
from certline.cli.ui.output import answer, leave, say, whisper
from certline.models import Event
from certline.models.audit.chain import (
    BadHeadError,
    Break,
    Head,
    breaks_in,
    entries_in,
    head_of,
)
from certline.models.database.session import one_state
from certline.models.listing import events_listed

# More broken places than a person looks at; where there are more, the first ones say where it began.
MOST_BREAKS = 100


@click.group(cls=Group)
def audit() -> None:
    """The log: who did what, and when; only ever added to, and chained."""


ENTRIES = [
    Column[Event]("entry", lambda row: row.id),
    Column[Event]("when (UTC)", lambda row: minute(row.at)),
    Column[Event]("who", lambda row: row.who, may_be_cut=True),
    Column[Event]("what", lambda row: row.type),
    Column[Event]("subject", lambda row: row.subject, may_be_cut=True),
    Column[Event]("why", lambda row: row.why, rank=1, may_be_cut=True),
]


@audit.command("list", cls=Listing)
@click.option("--since", callback=moment, metavar="TIME", help="Only from then on; a date or time.")
@click.option("--until", callback=moment, metavar="TIME", help="Only before that; a date or time.")
@click.option("--who", metavar="NAME", help="Only what this person or part did.")
@click.option(
    "--what",
    "types",
    multiple=True,
    metavar="TYPE",
    help="Only this: order.placed, 'certificate.*'; * stands for any characters; repeatable.",
)
@click.option("--subject", metavar="ID", help="Only what was done to this order, certificate, …")
@view_options("time")
def list_(
    *,
    since: datetime | None,
    until: datetime | None,
    who: str | None,
    types: tuple[str, ...],
    subject: str | None,
    view: View,
) -> None:
    """Who did what, and when; the newest first."""
    narrowed = any((since, until, who, types, subject))
    show_pages(
        events_listed(since=since, until=until, who=who, types=types, subject=subject),
        view,
        find=find_event,
        document=event_document,
        columns=ENTRIES,
        empty="There is no such entry." if narrowed else "Nothing has happened yet.",
    )


@audit.command()
@click.option(
    "--head",
    "kept",
    metavar="HEAD",
    help="The end of the log that an earlier verify printed: proves that it is still in it.",
)
def verify(kept: str | None) -> None:
    """Prove that the log is what was written; else name each entry that was changed, removed or put
    in, and exit 1.

    Prints how the log ends. Kept somewhere else and given to --head later, it proves that nobody wrote
    the whole log anew.
    """
    before = _head(kept)
    with context.database().transaction() as db:
        one_state(db)
        found = list(islice(breaks_in(db, before), MOST_BREAKS + 1))
        entries, head = entries_in(db), head_of(db)
    document = {
        "whole": not found,
        "entries": entries,
        "head": str(head),
        "breaks": [break_document(each) for each in found[:MOST_BREAKS]],
    }
    answer(document, lambda: _tell(found, entries, head))
    leave(FAILED if found else DONE)


def _head(text: str | None) -> Head | None:
    if text is None:
        return None
    try:
        return Head.of(text)
    except BadHeadError as error:
        raise Fault(f"--head: {error}", code=WRONG_USE) from None


def _tell(found: Sequence[Break], entries: int, head: Head) -> None:
    if not found:
        say(f"The log is whole: {entries:,} entries.\nIts end: {head}")
        whisper("Keep this end outside of the database; later: certline audit verify --head …")
        return
    more = "more than " if len(found) > MOST_BREAKS else ""
    shown = found[:MOST_BREAKS]
    say(f"The log is not what was written, in {more}{len(shown)} places:")
    for each in shown:
        say(f"  {each.kind}: {each.text}")
