"""The head of the audit log: how many entries each lane of its chain has, and one hash over their ends."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

# The hash that precedes the first entry of lane 0, the only one in small installations.
BEGINNING = "0" * 64
# Digits of a number of entries: it has to fit into Postgres' bigint.
COUNT = r"\d{1,18}"
# Lanes that a head may have: more than migration 0026 makes, fewer than would fill a line.
MOST_LANES = 1_000


class BadHeadError(ValueError):
    """Error for a head that is not written as `SEQ:HASH`."""


@dataclass(frozen=True)
class Head:
    """End of the chain at some moment: the number of entries in each lane, and a hash.

    `hash`: with one lane the hash of its last entry, otherwise that of all lanes' counts and last hashes. Stored
    outside the database, a head proves that no entry up to it was changed or removed since.
    """

    counts: tuple[int, ...]
    hash: str

    def __str__(self) -> str:
        return f"{'+'.join(map(str, self.counts))}:{self.hash}"

    @property
    def seq(self) -> int:
        """The number of entries in all lanes."""
        return sum(self.counts)

    @classmethod
    def of(cls, words: str) -> "Head":
        """Parse `SEQ:HASH` or `SEQ+SEQ+…:HASH`, as written by `str()`. Raises BadHeadError."""
        form = rf"({COUNT}(?:\+{COUNT}){{0,{MOST_LANES - 1}}}):([0-9a-f]{{64}})"
        found = re.fullmatch(form, words.strip().lower(), re.ASCII)
        if found is None:
            raise BadHeadError(f"{words!r} is not a number of entries and a hash, such as 12:0f3c…")
        return cls(tuple(map(int, found[1].split("+"))), found[2])


def head_from(ends: Mapping[int, tuple[int, str]]) -> Head:
    """Return the head of a chain whose lanes have these numbers of entries and last hashes.

    A chain with entries in lane 0 only has the head that it had when there were no lanes.
    """
    last = max((lane for lane, (count, _) in ends.items() if count), default=0)
    lanes = [ends.get(lane, (0, hash_before_lane(lane))) for lane in range(last + 1)]
    counts = tuple(count for count, _ in lanes)
    if len(lanes) == 1:
        return Head(counts, lanes[0][1])
    lines = "\n".join(f"{count}:{digest}" for count, digest in lanes)
    return Head(counts, hashlib.sha256(lines.encode()).hexdigest())


def hash_of(before: str, entry: str) -> str:
    """Return a link's hash: hex SHA-256 of the preceding hash, a line feed and the entry's text."""
    return hashlib.sha256(f"{before}\n{entry}".encode()).hexdigest()


def hash_before_lane(lane: int) -> str:
    """Return what precedes the first entry of a lane, in place of a hash: the lane's number."""
    return f"{lane:064x}"
