"""Tests of what a page shows while its numbers are still being counted."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, event, text

from certline.board.context import open_context
from certline.board.kept import KeptResults
from certline.board.pages.calendar import calendar_request
from certline.board.pages.calendar.calendar_request import count_ahead
from certline.models import Database
from certline.models.calendar.year import year_ahead
from certline.models.settings import Settings
from tests.integration.board.stock import stock
from tests.servers import until
from tests.support.board_window import COUNTING, BoardWindow

FOR_LONG = 60.0


@contextmanager
def slow_counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let no count of a year come to its end within the block, unless the event is set."""
    goes_on = threading.Event()
    real = year_ahead

    def counted(*given: object) -> object:
        goes_on.wait(FOR_LONG)
        return real(*given)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(calendar_request, "year_ahead", counted)
    try:
        yield goes_on
    finally:
        goes_on.set()


def test_a_page_says_that_it_is_still_counting_and_has_the_numbers_later(
    board: BoardWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slow_counting(monkeypatch) as goes_on:
        for _ in range(2):
            assert COUNTING in board.at_once("/calendar").text
        goes_on.set()

    assert "End within the year" in board.text("/calendar")


def test_a_page_has_asked_the_database_for_all_else_before_its_numbers_are_counted(
    board: BoardWindow, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While they are counted, each further statement of the page would wait for its turn."""
    stocked = database.run(stock)
    late: list[str] = []
    counting: set[int] = set()

    def soon(*_given: object) -> None:
        counting.add(threading.get_ident())

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if threading.get_ident() in counting:
            late.append(statement)

    monkeypatch.setattr(KeptResults, "soon", soon)
    event.listen(Engine, "before_cursor_execute", note)
    try:
        for path in ("/calendar", "/calendar?what_if=47", f"/domains/{stocked['account_id']}/7"):
            counting.clear()
            assert COUNTING in board.at_once(path).text
            assert counting
    finally:
        event.remove(Engine, "before_cursor_execute", note)

    assert late == []


def test_a_program_waits_for_the_numbers(
    board: BoardWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calendar_request, "PATIENCE", 0.0)

    assert board.rows("/calendar?what_if=47")["what_if"]["lifetime"] == 47


def test_many_who_ask_for_different_numbers_take_two_connections(
    database_url: str,
) -> None:
    database = Database(database_url)
    kept = KeptResults(database)
    goes_on, at_work = threading.Event(), list[int]()

    def find(_db: object) -> int:
        at_work.append(1)
        goes_on.wait(FOR_LONG)
        return 1

    try:
        asked = [kept.soon(("filter", number), find, 0.0) for number in range(100)]
        until(lambda: len(at_work) == 2, 30)
        with database.transaction() as db:  # others have connections too
            assert db.scalar(text("SELECT 1")) == 1
        assert len(at_work) == 2
        goes_on.set()
        until(lambda: kept.soon(("filter", 0), find, 0.0) == 1, 30)
        # Those that were too many are found when somebody asks again.
        until(lambda: kept.soon(("filter", 99), find, 0.0) == 1, 30)
    finally:
        goes_on.set()
        database.close()

    assert asked == [None] * 100


def test_a_failure_of_the_database_is_told_to_who_waits_and_tried_again(database_url: str) -> None:
    database = Database(database_url)
    kept = KeptResults(database)
    try:
        with pytest.raises(Exception, match="no_such_table"):
            kept.soon("key", lambda db: db.execute(text("SELECT * FROM no_such_table")), FOR_LONG)

        assert kept.soon("key", lambda db: db.scalar(text("SELECT 7")), FOR_LONG) == 7
    finally:
        database.close()


def test_what_most_people_ask_first_is_counted_when_the_board_starts(database_url: str) -> None:
    context = open_context(Settings(database_url=database_url))
    found = context.kept

    def refuse(_db: object) -> None:
        pytest.fail("it was not counted ahead")

    try:
        count_ahead(context)
        until(lambda: not found._searches, 30)

        for days in (47, 100, 200):
            assert found.soon(("what if", days), refuse, 0.0) is not None
    finally:
        context.close()
