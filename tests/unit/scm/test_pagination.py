"""Tests of long lists whose rows change while they are read."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certline.workers.scm import Garbled, Login
from certline.workers.scm.api.pagination import PAGE, Pages, Walk
from certline.workers.scm.transport.caller import ScmCall
from certline.workers.scm.transport.http import HttpResponse
from tests.unit.scm.conftest import Connect
from tests.unit.scm.odd_server import OddServer, Seen, ok

Between = Callable[[int, list[int]], None]


def a_list(*ids: int, most: int = PAGE) -> Callable[[Seen], bytes]:
    """Return a server's list of domains, with a maximum page size of its own."""

    def answer(request: Seen) -> bytes:
        asked = parse_qs(urlsplit(request.target).query)
        position, size = (int(asked[name][0]) for name in ("position", "size"))
        page = ids[position : position + min(size, most)]
        return ok([{"id": number, "name": f"d{number}.example"} for number in page])

    return answer


@pytest.mark.parametrize(
    ("count", "most"),
    [(0, 200), (1, 200), (199, 200), (200, 200), (201, 200), (450, 200), (30, 12), (7, 1)],
)
def test_all_rows_are_found_once(count: int, most: int, connect: Connect) -> None:
    ids = list(range(1, count + 1))
    with OddServer([a_list(*ids, most=most)]) as server:
        assert [row.id for row in connect(server).domains()] == ids


def test_a_page_begins_with_the_last_row_of_the_page_before(connect: Connect) -> None:
    with OddServer([a_list(*range(1, 301))]) as server:
        connect(server).domains()

        assert [seen.target.split("?")[1] for seen in server.seen] == [
            "size=200&position=0",
            "size=200&position=199",
            "size=200&position=299",
        ]


def test_the_same_page_for_ever_is_the_whole_list(connect: Connect) -> None:
    with OddServer([ok([{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])]) as server:
        assert len(connect(server).domains()) == 2


def test_a_list_without_an_end_is_garbled(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("certline.workers.scm.api.pagination.MOST_PAGES", 50)
    numbers = iter(range(1, 1_000))
    endless = OddServer([lambda _: ok([{"id": next(numbers), "name": "d"}])])
    with endless as server, pytest.raises(Garbled, match="doesn't end"):
        connect(server).domains()


def test_null_is_an_empty_list(connect: Connect) -> None:
    with OddServer([ok(None)]) as server:
        assert connect(server).domains() == []


class Shelf(Pages):
    """A list that changes between two pages."""

    def __init__(self, rows: list[int], between: Between) -> None:
        super().__init__(Login("http://scm.invalid", "c", "l", "p"))
        self.rows = rows
        self.asked = 0
        self._between = between

    def _one_with_response(  # type: ignore[override]
        self, call: ScmCall, _: object
    ) -> tuple[list[int], HttpResponse]:
        position = int(call.params["position"])
        page = self.rows[position : position + int(call.params["size"])]
        self.asked += 1
        self._between(self.asked, self.rows)
        return page, HttpResponse(200, {}, b"")

    def all(self) -> list[int]:
        """Return the list as the client reads it."""
        return self._pages(ScmCall("shelf", "GET", "/"), lambda raw: int(str(raw)), lambda row: row)


def test_a_row_that_slipped_past_is_found() -> None:
    def take_ten(asked: int, rows: list[int]) -> None:
        if asked == 1:
            del rows[:10]  # the rows 200 to 209 are now on the page already read

    assert sorted(Shelf(list(range(500)), take_ten).all()) == list(range(500))


@given(data=st.data(), count=st.integers(0, 900))
@settings(max_examples=300)
def test_rows_that_stay_are_found_whatever_comes_and_goes(data: st.DataObject, count: int) -> None:
    stays = set(range(count))

    def change(asked: int, rows: list[int]) -> None:
        if asked > 6 or not rows:
            return
        for _ in range(data.draw(st.integers(0, 3))):
            if not rows:
                return
            start = data.draw(st.integers(0, len(rows) - 1))
            gone = rows[start : start + data.draw(st.integers(1, 250))]
            del rows[start : start + len(gone)]
            stays.difference_update(gone)
        # New rows have the highest ids: SCM's lists are assumed to be in that order.
        rows.extend(range(10_000 * asked, 10_000 * asked + data.draw(st.integers(0, 250))))

    shelf = Shelf(list(range(count)), change)
    found = shelf.all()

    assert len(found) == len(set(found))
    assert stays <= set(found)


def test_a_short_page_that_scm_says_is_the_last_one_ends_the_list() -> None:
    walk = Walk()
    first = walk.judge(PAGE, 0, total=250)
    assert (first, walk.position, walk.over) == (True, PAGE - 1, False)

    assert walk.judge(51, 1, total=250)

    assert walk.over


@pytest.mark.parametrize(
    ("rows", "total"),
    [(51, None), (51, 1000), (PAGE, PAGE)],
)
def test_neither_a_short_page_nor_a_count_alone_ends_the_list(rows: int, total: int | None) -> None:
    walk = Walk()

    walk.judge(rows, 0, total=total)

    assert not walk.over


def test_a_walk_that_goes_on_later_goes_back_where_its_page_does_not_join() -> None:
    walk = Walk(position=398)

    assert not walk.judge(PAGE, 0)

    assert walk.position == 198
    assert walk.judge(PAGE, 10)
    assert walk.position == 397
