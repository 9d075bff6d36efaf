"""Reading of SCM's paged lists, whose rows may be added or removed while they are read."""

from collections.abc import Callable, Hashable
from typing import TypeVar

from certline.workers.scm.errors import Garbled
from certline.workers.scm.transport.caller import Caller, ScmCall
from certline.workers.scm.transport.json_reader import rows

T = TypeVar("T")

# SCM's largest page size, in rows; without `size` it returns 12 rows.
PAGE = 200
# About 200,000 rows: a server whose list is longer is assumed to be broken.
MOST_PAGES = 1_000
# Bytes of all pages of a list that is held in memory.
MOST_BYTES = 64 * 1024 * 1024
# Limit on going back for rows that have moved; a list without a stable order would send us back for ever.
MOST_BACKS = 100


class Walk:
    """Position in a paged list that is being read; `position` is an offset in rows, not a page number.

    Each page overlaps the previous one by a row, which shows that no row was missed between them. If a page
    doesn't overlap, rows before it were removed and later rows moved up past our position: we go back a page.
    The list is over when an overlapping page has no new rows. Neither a short page nor `X-Total-Count` alone
    ends it, because a server may cap the page size below the one requested, and may omit the header.
    """

    def __init__(self, position: int = 0) -> None:
        """Begin at the start, or continue at the position that an earlier walk had reached."""
        self.position = position
        self.over = False
        self._widest = PAGE if position else 0
        self._backs = 0
        # Offset that we went back from; the list can't be over before it is passed again.
        self._read_to = -1

    def judge(self, rows: int, known: int, total: int | None = None) -> bool:
        """Evaluate the page read at `position` and move on. Returns True if its rows are to be used.

        `rows` is the number of rows on the page, `known` how many of them were used before, and `total` the
        number of rows of the whole list as reported by SCM. Afterwards `position` is the next offset to read.
        """
        self._widest = max(self._widest, rows)
        # With pages of one row there is no overlap to check.
        joins = self.position == 0 or self._widest == 1 or known > 0
        if not joins and self._backs < MOST_BACKS:
            self._backs += 1
            self._read_to = self.position if rows else -1
            self.position = max(0, self.position - self._widest)
            return False
        short = rows < PAGE and total is not None and self.position + rows >= total
        self.over = short or not rows or (known == rows and self.position > self._read_to)
        if not self.over:
            self.position += max(1, rows - 1)  # the next page overlaps this one by a row
        return True


class Pages(Caller):
    """Base class of callers that read paged lists as a whole."""

    def _pages(
        self, call: ScmCall, read: Callable[[object], T], key: Callable[[T], Hashable]
    ) -> list[T]:
        """Return all rows of a list, each once, as read last. Raises Garbled if the list doesn't end."""
        found: dict[Hashable, T] = {}
        joined: set[Hashable] = set()  # keys of the pages that overlap without a gap from the start
        walk = Walk()
        received = 0
        for _ in range(MOST_PAGES):
            part = call.with_params(size=PAGE, position=walk.position)
            page, response = self._one_with_response(part, lambda raw: rows(raw, read))
            received += len(response.body or b"")
            if received > MOST_BYTES:
                raise Garbled(call.operation, f"a list of more than {MOST_BYTES} bytes", status=200)
            found |= {key(row): row for row in page}
            keys = {key(row) for row in page}
            if walk.judge(len(keys), len(keys & joined)):
                joined |= keys
            if walk.over:
                return list(found.values())
        raise Garbled(call.operation, "the list doesn't end", status=200)
