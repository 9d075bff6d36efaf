"""Tests of the page that people leave open: whether the line is well, and what waits for a person."""

import threading
import time
from datetime import timedelta

from sqlalchemy import event, update

from certline.board.context import open_context
from certline.board.snapshot import SharedSnapshot
from certline.models import Account, Database
from certline.models.accounts.account import AccountStatus
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.database.session import clock
from certline.models.heartbeat import Part, beat
from certline.models.restore.recovery import RecoveryPhase, recovery_of
from certline.models.schedule import Schedule
from certline.models.settings import Settings
from certline.models.states import OrderKind
from tests.support.board_window import BoardWindow
from tests.support.factories import a_certificate, an_account, an_order


def runs(database: Database, part: Part, **more: object) -> None:
    """Store the heartbeat of a process."""
    row: dict[str, object] = {
        "id": part.value,
        "part": part.value,
        "host": "lune",
        "pid": 7,
        "version": "0.1.0",
        "queues": [],
        "keys": [],
        "fault": None,
        "every": 15.0,
    }
    with database.transaction() as db:
        beat(db, row | more)


def test_an_empty_installation_says_how_to_begin(board: BoardWindow) -> None:
    text = board.text("/")

    assert "No part of the line runs" in text
    assert "certline up" in text
    assert "certline account add" in text


def test_a_line_whose_parts_run_is_well(database: Database, board: BoardWindow) -> None:
    for part in (Part.WORKER, Part.RELAY, Part.PRODUCER):
        runs(database, part)
    with database.transaction() as db:
        # The schedules are as old as the test run's template, and no producer runs here.
        db.execute(update(Schedule).values(next_due=clock(db, timedelta(days=1))))

    text = board.text("/")

    assert "The line is well" in text
    assert "Nothing waits for a person." in text


def test_a_line_that_recovers_after_a_restore_is_not_well(
    database: Database, board: BoardWindow
) -> None:
    for part in (Part.WORKER, Part.RELAY, Part.PRODUCER):
        runs(database, part)
    with database.transaction() as db:
        recovery_of(db).phase = RecoveryPhase.COMPARING

    text = board.text("/")

    assert "The database was restored: nothing is ordered" in text
    assert "certline recover --status" in text


def test_a_part_that_is_missing_is_named(database: Database, board: BoardWindow) -> None:
    for part in (Part.WORKER, Part.PRODUCER):
        runs(database, part)

    assert "No relay runs." in board.text("/")


def test_a_fault_of_a_part_is_shown_as_it_tells_it(database: Database, board: BoardWindow) -> None:
    runs(database, Part.UP, fault="the consumer of <certline.order> has died")

    text = board.get("/").text

    assert "the consumer of &lt;certline.order&gt; has died" in text
    assert "certline doctor" in text


def test_what_waits_has_the_command_that_answers_it(database: Database, board: BoardWindow) -> None:
    with database.transaction() as db:
        an_order(db, status="review")

    page = board.get("/").text

    assert "1 order in review" in page
    assert "certline order list --status review" in page
    assert 'href="/orders?status=review"' in page


def test_a_suspended_account_is_named_with_its_command(
    database: Database, board: BoardWindow
) -> None:
    with database.transaction() as db:
        order = an_order(db)
        account = db.get_one(Account, order.account_id)
        account.name = "it's ours"
        account.status, account.status_reason = AccountStatus.SUSPENDED, "401"

    page = board.get("/").text

    assert "Account it&#39;s ours is suspended: 401" in page
    assert "certline account verify &#39;it&#39;&#34;&#39;&#34;&#39;s ours&#39;" in page


def test_what_was_done_is_counted_and_listed(database: Database, board: BoardWindow) -> None:
    with database.transaction() as db:
        account = an_account(db)
        order = an_order(db, account, status="stored", scm_id=77)
        before = a_certificate(db, order, common_name=order.common_name).id
        record(db, "order.stored", order.id, who=Identity("os:anna"))
        for kind in (OrderKind.RENEWAL, OrderKind.RENEWAL, OrderKind.REISSUE):
            order = an_order(db, account, kind=kind, predecessor_id=before)
            record(db, "order.stored", order.id, who=Identity("os:anna"), why="because")

    text = board.text("/")

    assert "certificates stored 4 renewed 2 reissued 1" in text
    assert f"os:anna order.stored {order.id} because" in text
    assert board.rows("/")["done_24h"]["certificate.renewed"] == 2


def test_its_data_are_those_of_top(board: BoardWindow) -> None:
    found = board.rows("/")

    assert {"at", "queues", "outbox", "scm", "waiting", "parts", "license"} <= set(found)
    assert found["last_renewal_run_at"] is None
    assert found["done_24h"]["order.placed"] == 0


def test_every_live_number_of_the_page_is_in_the_live_data(board: BoardWindow) -> None:
    page, live = board.get("/").text, board.get("/live").json()
    keys = {part.partition('"')[0] for part in page.split('data-live="')[1:]}

    assert len(keys) > 30
    assert keys <= set(live["values"])


def test_fifty_boards_cost_the_database_no_more_than_one(database_url: str) -> None:
    board = open_context(Settings(database_url=database_url))
    statements = list[str]()
    event.listen(
        board.database.engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_: statements.append(statement),
    )
    try:
        board.snapshot.look()
        of_one = len(statements)
        shared = SharedSnapshot(board.database, timedelta(minutes=15))
        statements.clear()
        begin = threading.Barrier(50)

        def watch() -> None:
            begin.wait(30)
            shared.look()

        watchers = [threading.Thread(target=watch) for _ in range(50)]
        for watcher in watchers:
            watcher.start()
        for watcher in watchers:
            watcher.join(30)
    finally:
        board.close()

    assert 0 < len(statements) <= of_one


def test_a_snapshot_is_shown_for_some_seconds_and_taken_again_then(
    database: Database, board: BoardWindow
) -> None:
    before = board.get("/live").json()
    with database.transaction() as db:
        an_order(db, status="review")

    again = before
    deadline = time.monotonic() + 30
    while again["at"] == before["at"] and time.monotonic() < deadline:
        again = board.get("/live").json()
        assert again["at"] != before["at"] or again["values"] == before["values"]

    assert again["values"]["order-review"] == "1"
    assert again["shape"] != before["shape"]
