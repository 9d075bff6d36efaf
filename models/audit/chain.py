"""Whether the log is what was written: its chain, walked from the first entry to the last.

Postgres adds the links itself, in the transaction that writes the entries (migration 0007). Here
they are counted again in Python, so that nothing in the database is taken at its word.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from certline.models.audit.log import Event, EventHead, EventLink

# The hash before the first entry.
BEGINNING = "0" * 64
# Links that are read at once.
PIECE = 5_000

# An entry as one text: what its hash is made of, as the migration has it.
ENTRY = """jsonb_build_array({seq}, {event}.id,
    to_char({event}.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), {event}.type,
    {event}.subject, {event}.command_id, {event}.who, {event}.why, {event}.data)::text"""
LINKS = text(
    f"""SELECT l.seq, l.event_id, l.hash, e.id IS NOT NULL, {ENTRY.format(seq="l.seq", event="e")},
        concat_ws(' ', e.type, e.subject)
    FROM event_link AS l LEFT JOIN event AS e ON e.id = l.event_id
    WHERE l.seq > :after ORDER BY l.seq LIMIT :piece"""  # noqa: S608  # our own words
)


class BadHeadError(ValueError):
    """A text that is not `SEQ:HASH`."""


@dataclass(frozen=True)
class Head:
    """The chain as it ended once: so many entries, and the hash of the last one.

    Kept outside of the database, it proves that no entry up to it was changed or taken away since.
    """

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"

    @classmethod
    def of(cls, words: str) -> "Head":
        """Read what `str` has written. Raises BadHeadError."""
        found = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", words.strip().lower())
        if found is None:
            raise BadHeadError(f"{words!r} is not a number of entries and a hash, as 12:0f3c…")
        return cls(int(found[1]), found[2])


@dataclass(frozen=True)
class Break:
    """A place where the log is not what was written; `seq` and `event_id` name it as far as known."""

    kind: str
    text: str
    seq: int | None = None
    event_id: int | None = None


def head_of(db: Session) -> Head:
    """Where the chain ends now."""
    row = db.get(EventHead, 1)
    return Head(0, BEGINNING) if row is None else Head(row.seq, row.hash)


def entries_in(db: Session) -> int:
    """How many entries the log has."""
    return db.scalar(select(func.count()).select_from(Event)) or 0


def breaks_in(db: Session, kept: Head | None = None) -> Iterator[Break]:
    """Every place where the chain is broken, in order; `kept` is how it ended once.

    `db` should see one state of all tables (REPEATABLE READ), or what is added meanwhile looks put in.
    """
    last, met = Head(0, BEGINNING), False
    while rows := db.execute(LINKS, {"after": last.seq, "piece": PIECE}).all():
        for seq, event_id, digest, there, entry, name in rows:
            whole = seq == last.seq + 1
            if not whole:
                yield Break(
                    "removed", f"{_entries(last.seq + 1, seq - 1)} of the chain", last.seq + 1
                )
            if not there:
                yield Break("removed", f"entry {seq} (event {event_id}) was removed", seq, event_id)
            elif whole and digest != hash_of(last.hash, entry):
                told = (
                    f"entry {seq} (event {event_id}, {name}) is not what was written, "
                    "or the one before it was written anew"
                )
                yield Break("changed", told, seq, event_id)
            last = Head(seq, digest)
            met = met or last == kept
    end = db.get(EventHead, 1)
    yield from _at_the_end(last, None if end is None else Head(end.seq, end.hash))
    yield from _past_the_chain(db)
    if kept is not None and not (met or kept == Head(0, BEGINNING)):
        told = f"the log does not have the end that was kept: {kept.seq} entries, hash {kept.hash}"
        yield Break("rewritten", told, kept.seq)


def hash_of(before: str, entry: str) -> str:
    """A link's hash: of the one before it and the entry's text."""
    return hashlib.sha256(f"{before}\n{entry}".encode()).hexdigest()


def _at_the_end(last: Head, end: Head | None) -> Iterator[Break]:
    if end is None:
        yield Break("removed", "the end of the chain was removed")
    elif end.seq > last.seq:
        yield Break("removed", f"{_entries(last.seq + 1, end.seq)} at the end", last.seq + 1)
    elif end.seq < last.seq:
        yield Break("inserted", f"entries after {end.seq} were put in past the chain", end.seq + 1)
    elif end != last:
        yield Break(
            "changed", f"the end of the chain is not the hash of entry {last.seq}", last.seq
        )


def _past_the_chain(db: Session) -> Iterator[Break]:
    """Events without a link: put in while the trigger was off, or their link was taken out."""
    query = (
        select(Event.id, Event.type, Event.subject)
        .outerjoin(EventLink, EventLink.event_id == Event.id)
        .where(EventLink.seq.is_(None))
        .order_by(Event.id)
    )
    for event_id, kind, subject in db.execute(query):
        told = f"event {event_id} ({kind} {subject}) was put in past the chain, or its link was removed"
        yield Break("inserted", told, None, event_id)


def _entries(first: int, last: int) -> str:
    return (
        f"entry {first} is missing" if first == last else f"entries {first} to {last} are missing"
    )
