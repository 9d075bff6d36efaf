"""Verification of the audit log: its hash chain is recomputed from the first entry to the last.

Postgres writes the links, in the transaction that writes the entries (migration 0007); the hashes are
recomputed in Python, so that neither the stored hashes nor the trigger have to be trusted.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from certline.models.audit.log import AuditEntry, AuditHead, AuditLink

# The hash that precedes the first entry.
BEGINNING = "0" * 64
# Links read by one query.
PIECE = 5_000

# An entry as one text, the input of its hash. It has to match migration 0020 byte for byte. A claim is a tenth
# element, so that an entry without one has the text, and the hash, that it had before there were claims.
ENTRY = """(jsonb_build_array({seq}, {event}.id,
    to_char({event}.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), {event}.type,
    {event}.subject, {event}.command_id, {event}.who, {event}.why, {event}.data)
    || CASE WHEN {event}.claimed IS NULL THEN '[]' ELSE jsonb_build_array({event}.claimed) END)::text"""
# LEFT JOIN: a link whose entry was deleted has to be reported, not skipped.
LINKS = text(
    f"""SELECT l.seq, l.event_id, l.hash, e.id IS NOT NULL, {ENTRY.format(seq="l.seq", event="e")},
        concat_ws(' ', e.type, e.subject)
    FROM event_link AS l LEFT JOIN event AS e ON e.id = l.event_id
    WHERE l.seq > :after ORDER BY l.seq LIMIT :piece"""  # noqa: S608  # constants only
)


class BadHeadError(ValueError):
    """Error for a head that is not written as `SEQ:HASH`."""


@dataclass(frozen=True)
class Head:
    """End of the chain at some moment: the number of entries and the hash of the last one.

    Stored outside the database, a head proves that no entry up to it was changed or removed since.
    """

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"

    @classmethod
    def of(cls, words: str) -> "Head":
        """Parse `SEQ:HASH`, as written by `str()`. Raises BadHeadError."""
        # 18 digits at most: the number has to fit into Postgres' bigint.
        found = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", words.strip().lower())
        if found is None:
            raise BadHeadError(f"{words!r} is not a number of entries and a hash, such as 12:0f3c…")
        return cls(int(found[1]), found[2])


@dataclass(frozen=True)
class Break:
    """Place where the log differs from what was written; `seq` and `event_id` locate it, if known.

    `kind` is `changed`, `removed`, `inserted` or `rewritten`.
    """

    kind: str
    text: str
    seq: int | None = None
    event_id: int | None = None


def head_of(db: Session) -> Head:
    """Return the present end of the chain."""
    row = db.get(AuditHead, 1)
    return Head(0, BEGINNING) if row is None else Head(row.seq, row.hash)


def entries_in(db: Session) -> int:
    """Return the number of entries in the log."""
    return db.scalar(select(func.count()).select_from(AuditEntry)) or 0


def breaks_in(db: Session, kept: Head | None = None) -> Iterator[Break]:
    """Yield every break of the chain, in order. `kept` is an earlier head that the chain has to contain.

    `db` should see one snapshot of all tables (REPEATABLE READ); otherwise entries that are added during
    the check are reported as inserted.
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
            # After a gap the preceding hash is unknown: only the gap is reported.
            elif whole and digest != hash_of(last.hash, entry):
                problem = (
                    f"entry {seq} (event {event_id}, {name}) does not match its hash: "
                    "the entry, its hash or the preceding hash was changed"
                )
                yield Break("changed", problem, seq, event_id)
            # Go on from the stored hash, so that one changed entry is not reported for all that follow.
            last = Head(seq, digest)
            met = met or last == kept
    end = db.get(AuditHead, 1)
    yield from _at_the_end(last, None if end is None else Head(end.seq, end.hash))
    yield from _past_the_chain(db)
    if kept is not None and not (met or kept == Head(0, BEGINNING)):
        problem = f"the log does not contain the given head: {kept.seq} entries, hash {kept.hash}"
        yield Break("rewritten", problem, kept.seq)


def hash_of(before: str, entry: str) -> str:
    """Return a link's hash: hex SHA-256 of the preceding hash, a line feed and the entry's text."""
    return hashlib.sha256(f"{before}\n{entry}".encode()).hexdigest()


def _at_the_end(last: Head, end: Head | None) -> Iterator[Break]:
    """Compare the last link with the stored end of the chain."""
    if end is None:
        yield Break("removed", "the end of the chain was removed")
    elif end.seq > last.seq:
        yield Break("removed", f"{_entries(last.seq + 1, end.seq)} at the end", last.seq + 1)
    elif end.seq < last.seq:
        yield Break(
            "inserted", f"entries after {end.seq} were inserted past the chain", end.seq + 1
        )
    elif end != last:
        yield Break(
            "changed", f"the end of the chain is not the hash of entry {last.seq}", last.seq
        )


def _past_the_chain(db: Session) -> Iterator[Break]:
    """Yield events without a link: inserted while the trigger was off, or their link was removed."""
    query = (
        select(AuditEntry.id, AuditEntry.type, AuditEntry.subject)
        .outerjoin(AuditLink, AuditLink.event_id == AuditEntry.id)
        .where(AuditLink.seq.is_(None))
        .order_by(AuditEntry.id)
    )
    for event_id, kind, subject in db.execute(query):
        problem = f"event {event_id} ({kind} {subject}) is not in the chain: inserted past it, or its link removed"
        yield Break("inserted", problem, None, event_id)


def _entries(first: int, last: int) -> str:
    return (
        f"entry {first} is missing" if first == last else f"entries {first} to {last} are missing"
    )
