"""Verification of the audit log: its hash chain is recomputed from the first entry to the last.

Postgres writes the links, in the transaction that writes the entries (migrations 0007, 0026); the hashes are
recomputed in Python, so that neither the stored hashes nor the trigger have to be trusted. The chain has lanes, so
that commits need not wait for each other: each lane is a chain of its own, and the head is made of all their ends.
"""

from collections.abc import Collection, Generator, Iterator
from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from certline.models.audit.head import Head, hash_before_lane, hash_of, head_from
from certline.models.audit.log import AuditEntry, AuditHead, AuditLink

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
    WHERE l.lane = :lane AND l.seq > :after ORDER BY l.seq LIMIT :piece"""  # noqa: S608  # constants only
)


@dataclass(frozen=True)
class Break:
    """Place where the log differs from what was written; `seq` and `event_id` locate it, if known.

    `kind` is `changed`, `removed`, `inserted` or `rewritten`.
    """

    kind: str
    text: str
    seq: int | None = None
    event_id: int | None = None


@dataclass(frozen=True)
class _LaneEnd:
    """The last link of a lane, and the hashes of those of its links that a kept head counts to."""

    seq: int
    hash: str
    met: dict[int, str]


@dataclass(frozen=True)
class CheckedLinks:
    """A piece of a lane that was checked: its last link, how many links it has, and its first break or None."""

    seq: int
    hash: str
    links: int
    broken: str | None


def piece_of(db: Session, lane: int, seq: int, digest: str, most: int) -> CheckedLinks:
    """Check the `most` links after the link `seq` of a lane, whose hash is `digest`."""
    broken = None
    rows = db.execute(LINKS, {"lane": lane, "after": seq, "piece": most}).all()
    for number, event_id, stored, there, entry, name in rows:
        if number != seq + 1:
            broken = broken or _entries(seq + 1, number - 1)
        elif not there or stored != hash_of(digest, entry):
            what = name if there else "removed"
            broken = (
                broken or f"entry {number} of lane {lane} (event {event_id}, {what}) was changed"
            )
        seq, digest = number, stored
    return CheckedLinks(seq, digest, len(rows), broken)


# Each lane's stored end, where that is not its last link.
_WRONG_ENDS = text(
    """SELECT h.lane, h.seq, coalesce(l.seq, 0) FROM event_head AS h
    LEFT JOIN LATERAL (SELECT seq, hash FROM event_link WHERE lane = h.lane ORDER BY seq DESC LIMIT 1) AS l ON true
    WHERE coalesce(l.seq, 0) <> h.seq OR coalesce(l.hash, lpad(to_hex(h.lane), 64, '0')) <> h.hash
    ORDER BY h.lane LIMIT 1"""
)


def wrong_ends(db: Session) -> str | None:
    """Return that the stored end of a lane is not its last link, or None if all are."""
    row = db.execute(_WRONG_ENDS).first()
    if row is None:
        return None
    lane, stored, last = row
    return (
        f"lane {lane} ends with entry {last}, but its stored end is entry {stored}, or another hash"
    )


def head_of(db: Session) -> Head:
    """Return the present end of the chain."""
    return head_from({lane: (end.seq, end.hash) for lane, end in _ends(db).items()})


def entries_in(db: Session) -> int:
    """Return the number of entries in the log."""
    return db.scalar(select(func.count()).select_from(AuditEntry)) or 0


def breaks_in(db: Session, kept: Collection[Head] = ()) -> Iterator[Break]:
    """Yield every break of the chain, in order. `kept`: earlier heads, each of which the chain has to contain.

    `db` should see one snapshot of all tables (REPEATABLE READ); otherwise entries that are added during
    the check are reported as inserted.
    """
    stored = _ends(db)
    lanes: dict[int, _LaneEnd] = {}
    for lane in sorted({0, *_lanes_with_links(db), *_lanes_used(stored)}):
        wanted = {head.counts[lane] for head in kept if lane < len(head.counts)}
        lanes[lane] = yield from _breaks_in_lane(db, lane, wanted)
        yield from _at_the_end(lane, lanes[lane], stored.get(lane))
    yield from _past_the_chain(db)
    yield from _rewritten(kept, lanes)


def _breaks_in_lane(
    db: Session, lane: int, wanted: Collection[int]
) -> Generator[Break, None, _LaneEnd]:
    """Yield every break of one lane. Returns its end, with the hashes of the links whose number is `wanted`."""
    of_lane = f" of lane {lane}" if lane else ""
    last, digest_before = 0, hash_before_lane(lane)
    met = {0: digest_before}
    while rows := db.execute(LINKS, {"lane": lane, "after": last, "piece": PIECE}).all():
        for seq, event_id, digest, there, entry, name in rows:
            whole = seq == last + 1
            if not whole:
                problem = f"{_entries(last + 1, seq - 1)} of the chain{of_lane and ','}{of_lane}"
                yield Break("removed", problem, last + 1)
            if not there:
                problem = f"entry {seq}{of_lane} (event {event_id}) was removed"
                yield Break("removed", problem, seq, event_id)
            # After a gap the preceding hash is unknown: only the gap is reported.
            elif whole and digest != hash_of(digest_before, entry):
                problem = (
                    f"entry {seq}{of_lane} (event {event_id}, {name}) does not match its hash: "
                    "the entry, its hash or the preceding hash was changed"
                )
                yield Break("changed", problem, seq, event_id)
            # Go on from the stored hash, so that one changed entry is not reported for all that follow.
            last, digest_before = seq, digest
            if seq in wanted:
                met[seq] = digest
    return _LaneEnd(last, digest_before, met)


def _ends(db: Session) -> dict[int, AuditHead]:
    """Return the stored end of each lane."""
    return {end.lane: end for end in db.scalars(select(AuditHead))}


def _lanes_used(stored: dict[int, AuditHead]) -> Iterator[int]:
    """Yield the lanes whose stored end is not that of an empty one."""
    return (
        lane for lane, end in stored.items() if (end.seq, end.hash) != (0, hash_before_lane(lane))
    )


def _lanes_with_links(db: Session) -> Iterator[int]:
    """Yield the lanes that have links, whether or not their ends are stored."""
    lane = db.scalar(select(func.min(AuditLink.lane)))
    while lane is not None:
        yield lane
        lane = db.scalar(select(func.min(AuditLink.lane)).where(AuditLink.lane > lane))


def _rewritten(kept: Collection[Head], lanes: dict[int, _LaneEnd]) -> Iterator[Break]:
    """Report the first of the kept heads that are not in the chain, and how many there are."""
    missing = {head for head in kept if not _contains(lanes, head)}
    if not missing:
        return
    first = min(missing, key=lambda head: head.seq)
    whole_to = max((head.seq for head in set(kept) - missing), default=0)
    entries = sum(end.seq for end in lanes.values())
    if first.seq > entries:
        what = f"the log ends with entry {entries}; later ones were cut off"
    else:
        begin = whole_to + 1 if whole_to < first.seq else 1
        which = (
            f"entry {first.seq}" if len(first.counts) == 1 else f"one of the {first.seq} entries"
        )
        what = f"{which} is another one now: the log was rewritten from entry {begin} on, or later"
    more = f" (nor {len(missing) - 1} further heads)" if len(missing) > 1 else ""
    problem = f"the log does not contain the given head: {first.seq} entries, hash {first.hash}{more}; {what}"
    yield Break("rewritten", problem, first.seq)


def _contains(lanes: dict[int, _LaneEnd], head: Head) -> bool:
    """Return True if the lanes have links with exactly the numbers and hashes that make this head."""
    ends = {}
    for lane, count in enumerate(head.counts):
        met = lanes[lane].met if lane in lanes else {0: hash_before_lane(lane)}
        if count not in met:
            return False
        ends[lane] = (count, met[count])
    return head_from(ends) == head


def _at_the_end(lane: int, last: _LaneEnd, end: AuditHead | None) -> Iterator[Break]:
    """Compare the last link of a lane with its stored end."""
    of_lane = f" of lane {lane}" if lane else ""
    if end is None:
        yield Break("removed", f"the end of the chain was removed{of_lane and ':'}{of_lane}")
    elif end.seq > last.seq:
        problem = f"{_entries(last.seq + 1, end.seq)} at the end{of_lane}"
        yield Break("removed", problem, last.seq + 1)
    elif end.seq < last.seq:
        problem = f"entries after {end.seq}{of_lane} were inserted past the chain"
        yield Break("inserted", problem, end.seq + 1)
    elif end.hash != last.hash:
        problem = f"the end of the chain is not the hash of entry {last.seq}{of_lane}"
        yield Break("changed", problem, last.seq)


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
