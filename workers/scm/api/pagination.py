"""Lists that SCM gives page by page, while rows come and go."""

from collections.abc import Callable, Hashable
from typing import TypeVar

from certline.workers.scm.errors import Garbled
from certline.workers.scm.transport.caller import Call, Caller

T = TypeVar("T")

# SCM's largest page; without `size` it gives 12 rows.
PAGE = 200
# 200,000 rows: a server that never ends its list is broken.
MOST_PAGES = 1_000
# How often we go back for rows that have moved; a list without any order moves for ever.
MOST_BACKS = 100


class Walk:
    """The way through a list, page by page; `position` is an offset of rows, not a number of pages.

    A page begins with the last row of the page before, so that it joins what we have without a
    gap. If it doesn't, earlier rows have gone and later ones slipped past us: we go back a page.
    The list ends with a page that joins and brings nothing new; neither a short page nor
    `X-Total-Count` alone ends it, for a server may cap the size lower than asked, and may leave
    the header out.
    """

    def __init__(self, position: int = 0) -> None:
        """Begin, or go on at a position that an earlier walk had come to."""
        self.position = position
        self.over = False
        self._widest = PAGE if position else 0
        self._backs = 0
        self._read_to = -1  # where we went back from: the list goes on there

    def judge(self, rows: int, known: int, total: int | None = None) -> bool:
        """Judge the page at `position`, and go on from it; answers whether its rows are to be taken.

        It has so many rows, of which so many had been taken before; `total` is what SCM says.
        """
        self._widest = max(self._widest, rows)
        joins = self.position == 0 or self._widest == 1 or known > 0
        if not joins and self._backs < MOST_BACKS:
            self._backs += 1
            self._read_to = self.position if rows else -1
            self.position = max(0, self.position - self._widest)
            return False
        short = rows < PAGE and total is not None and self.position + rows >= total
        self.over = short or not rows or (known == rows and self.position > self._read_to)
        if not self.over:
            self.position += max(1, rows - 1)
        return True


class Pages(Caller):
    """Reads a whole list."""

    def _pages(
        self, call: Call, read: Callable[[object], T], key: Callable[[T], Hashable]
    ) -> list[T]:
        """All rows, each once, as it was read last."""
        found: dict[Hashable, T] = {}
        joined: set[Hashable] = set()  # read without a gap from the start
        walk = Walk()
        for _ in range(MOST_PAGES):
            page = self._list(call.with_params(size=PAGE, position=walk.position), read)
            found |= {key(row): row for row in page}
            keys = {key(row) for row in page}
            if walk.judge(len(keys), len(keys & joined)):
                joined |= keys
            if walk.over:
                return list(found.values())
        raise Garbled(call.operation, "the list doesn't end", status=200)
