"""Tests of a removed account: SCM is not called for it any more, and its certificates and history remain."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from certline.models import (
    Account,
    AccountStatus,
    Command,
    CommandStatus,
    Database,
    Order,
    OrderStatus,
    Profile,
)
from certline.models.accounts.account import account_named, accounts
from certline.models.audit.identity import Identity
from certline.models.audit.log import history
from certline.models.certificates.license import license_use
from certline.models.commands.payloads import SyncCommand
from certline.models.database.session import clock
from certline.models.validation import BadCommandError
from certline.producers.requests import order_review
from certline.producers.requests.account_link import require_same_customer
from certline.producers.requests.accounts import (
    OpenOrdersError,
    Removed,
    SuspendedError,
    refuse_suspended,
    remove_account,
    settle_more,
)
from certline.producers.requests.catalogue import request_sync
from certline.producers.sweep import sweep
from certline.simulator.server import Simulator
from certline.workers.runtime.context import login_of
from certline.workers.runtime.outcomes import GiveUp
from tests.integration.workers.conftest import Bench
from tests.servers import until
from tests.support.factories import a_certificate, a_profile, an_account, an_order
from tests.support.sealed_rows import seal_in

CALLS = ("POST /ssl/v1/enroll", "GET /ssl/v1/{sslId}", "GET /ssl/v1")
WAITING = text(
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Yield a database with connections for concurrent transactions."""
    database = Database(database_url, pool_size=3)
    yield database
    database.close()


@pytest.fixture
def bench(database: Database, simulator: Simulator) -> Bench:
    """Return a bench with one synced account."""
    bench = Bench(database, simulator)
    bench.settings(auto_approve=False)
    assert bench.sync().status is CommandStatus.DONE
    return bench


def someone_waits(database: Database) -> bool:
    with database.transaction() as db:
        return bool(db.scalar(WAITING))


def remove(database: Database, name: str, *, force: bool = False) -> Removed:
    with database.transaction() as db:
        account = account_named(db, name)
        assert account is not None
        locked = db.get_one(Account, account.id, with_for_update=True)
        return remove_account(db, locked, who=Identity("os:ida"), force=force)


def test_an_account_that_was_never_used_is_deleted_with_what_was_synced(
    database: Database,
) -> None:
    with database.transaction() as db:
        an_account(db, name="hafen", id=1)
        db.add(a_profile())

    remove(database, "hafen")

    with database.transaction() as db:
        assert list(db.scalars(select(Account))) == []
        assert list(db.scalars(select(Profile))) == []


@pytest.mark.parametrize("status", ["placed", "sending", "pending", "issued", "held", "review"])
def test_open_orders_stand_in_the_way(database: Database, status: str) -> None:
    with database.transaction() as db:
        an_order(db, an_account(db, name="hafen"), status=status)

    with pytest.raises(OpenOrdersError, match=f"1 open order \\(1 {status}\\)"):
        remove(database, "hafen")

    with database.transaction() as db:
        assert [account.status for account in accounts(db)] == [AccountStatus.ACTIVE]


def test_orders_that_have_ended_and_certificates_stay_and_the_login_goes(
    database: Database,
) -> None:
    with database.transaction() as db:
        order = an_order(db, an_account(db, name="hafen"), status="stored")
        a_certificate(db, order)
        an_order(db, order.account, status="rejected")

    removed = remove(database, "hafen")

    assert removed.certificates == 1
    with database.transaction() as db:
        gone = account_named(db, "hafen", removed=True)
        assert gone is not None
        assert (gone.status, gone.secret_sealed) == (AccountStatus.REMOVED, None)
        assert account_named(db, "hafen") is None
        assert accounts(db) == []
        assert {row.account.name for row in db.scalars(select(Order))} == {"hafen"}
        assert license_use(db).used == 1
        with pytest.raises(SuspendedError, match="was removed"):
            refuse_suspended(gone)


def test_by_force_what_scm_never_heard_of_is_cancelled_and_the_rest_is_for_a_person(
    database: Database,
) -> None:
    statuses = ["placed", "sending", "pending", "issued", "held", "review"]
    with database.transaction() as db:
        account = an_account(db, name="hafen")
        ids = {status: an_order(db, account, status=status).id for status in statuses}
        db.get_one(Order, ids["held"]).scm_id = 4711

    removed = remove(database, "hafen", force=True)

    assert removed.cancelled == [ids["placed"]]
    assert removed.in_review == sorted(ids[status] for status in statuses[1:])
    with database.transaction() as db:
        stand = {row.id: row for row in db.scalars(select(Order))}
        assert stand[ids["placed"]].status is OrderStatus.CANCELLED
        assert {stand[each].status for each in removed.in_review} == {OrderStatus.REVIEW}
        assert "SCM may hold it" in (stand[ids["sending"]].error or "")
        assert "SCM holds it as 4711" in (stand[ids["held"]].error or "")
        assert license_use(db).held == 0


def test_an_order_of_a_removed_account_is_not_sent_and_not_asked_for(bench: Bench) -> None:
    waiting, sent = bench.place(), bench.place(common_name="shop.nordhafen.example")
    bench.run(sent.id)
    before = sum(bench.calls(call) for call in CALLS)

    remove(bench.database, "demo", force=True)
    bench.make_due()
    bench.run_due()
    bench.run(waiting.id)
    with bench.database.transaction() as db:
        counts = sweep(db, bench.line.settings.settle)
    bench.run_due()

    assert sum(bench.calls(call) for call in CALLS) == before
    assert (counts["followed"], counts["unknown"]) == (0, 0)
    assert bench.command(waiting.id).status is CommandStatus.FAILED
    assert bench.command(sent.id).status is CommandStatus.REVIEW
    assert len(bench.orders_at_scm()) == 1


def test_the_sweep_leaves_open_orders_of_a_removed_account_alone(database: Database) -> None:
    with database.transaction() as db:
        account = an_account(db, status="removed", secret_sealed=None)
        for status in ("pending", "issued", "sending"):
            an_order(db, account, status=status, sent_at=clock(db) - timedelta(days=1))

    with database.transaction() as db:
        counts = sweep(db, timedelta(seconds=1))

    assert (counts["followed"], counts["unknown"]) == (0, 0)


def test_an_answer_that_comes_after_the_removal_is_written_down(bench: Bench) -> None:
    command = bench.place()
    bench.fault("POST", "enroll", "delay", delay_ms=1000)
    sending = threading.Thread(target=bench.run, args=(command.id,))

    sending.start()
    until(lambda: bench.order(command).status is OrderStatus.SENDING, 30)
    remove(bench.database, "demo", force=True)
    sending.join(30)

    order = bench.order(command)
    (record,) = bench.orders_at_scm()
    assert order.status is OrderStatus.REVIEW
    with bench.database.transaction() as db:
        told = [event.data.get("scm_id") for event in history(db, order.id)]
    assert record["sslId"] in told


def test_a_decision_waits_until_the_account_is_there_again(bench: Bench) -> None:
    command = bench.place()
    bench.run(command.id)
    order = bench.order(command)
    number = order.scm_id or 0
    remove(bench.database, "demo", force=True)

    with pytest.raises(BadCommandError, match="was removed"):
        order_review.adopt(bench.database, order.id, number, who=Identity("os:ida"), why=None)
    with pytest.raises(BadCommandError, match="was removed"):
        order_review.send_again(bench.database, order.id, who=Identity("os:ida"), why=None)
    add_again(bench)
    order_review.adopt(bench.database, order.id, number, who=Identity("os:ida"), why=None)
    bench.settings(issue_after_ms=0)
    bench.decide(number, "approve")
    bench.make_due()
    while bench.run_due():
        pass

    assert bench.order(command).status is OrderStatus.STORED


def add_again(bench: Bench) -> None:
    with bench.database.transaction() as db:
        gone = account_named(db, "demo", removed=True)
        assert gone is not None
        gone.status = AccountStatus.ACTIVE
        seal_in(db, bench.line.vault, gone, "secret_sealed", b"secret")


def test_nobody_logs_in_for_a_removed_account(bench: Bench) -> None:
    bench.place()
    remove(bench.database, "demo", force=True)

    with bench.database.transaction() as db:
        gone = account_named(db, "demo", removed=True)
    assert gone is not None
    with pytest.raises(GiveUp, match="was removed"):
        login_of(gone, bench.line.vault)
    with pytest.raises(BadCommandError, match="there is none yet"):
        request_sync(bench.database, SyncCommand(), requested_by=Identity("os:ida"))


def test_an_order_that_is_placed_while_the_account_goes_is_refused(bench: Bench) -> None:
    old = bench.place(common_name="old.nordhafen.example")
    refused: list[BaseException] = []

    def place() -> None:
        try:
            bench.place()
        except BadCommandError as refusal:
            refused.append(refusal)

    with bench.database.transaction() as db:
        account = db.get_one(Account, bench.account().id, with_for_update=True)
        placing = threading.Thread(target=place)
        placing.start()
        until(lambda: someone_waits(bench.database), 30)
        remove_account(db, account, who=Identity("os:ida"), force=True)
    placing.join(30)

    assert "was removed" in str(refused[0])
    with bench.database.transaction() as db:
        assert [row.command_id for row in db.scalars(select(Order))] == [old.id]
        assert [row.id for row in db.scalars(select(Command).where(Command.type == "order"))] == [
            old.id
        ]


@pytest.mark.parametrize(
    ("url", "customer", "same"),
    [("https://scm.test", "nordhafen", True), ("https://scm.test", "other", False)],
)
def test_a_removed_accounts_name_stands_for_its_customer(
    database: Database, url: str, customer: str, same: bool
) -> None:
    with database.transaction() as db:
        gone = an_account(db, name="hafen")

    if same:
        require_same_customer(gone, url, customer)
        return
    with pytest.raises(BadCommandError, match="take another name"):
        require_same_customer(gone, url, customer)


def test_a_removal_in_pieces_closes_the_account_first(database: Database) -> None:
    with database.transaction() as db:
        account = an_account(db, name="hafen")
        ids = [an_order(db, account, status="pending").id for _ in range(5)]

    with database.transaction() as db:
        row = db.scalars(select(Account).with_for_update()).one()
        removed = remove_account(db, row, who=Identity("os:ida"), force=True, most=2)

    assert (len(removed.in_review), removed.left) == (2, 3)
    with database.transaction() as db:
        gone = account_named(db, "hafen", removed=True)
        assert gone is not None
        with pytest.raises(SuspendedError, match="was removed"):
            refuse_suspended(gone)
        assert gone.secret_sealed is None
        [entry] = history(db, "hafen")
        assert (entry.type, entry.data["orders_left"]) == ("account.removed", 3)

    left = removed.left
    while left:
        with database.transaction() as db:
            more = settle_more(db, removed.account, who=Identity("os:ida"), most=2)
        assert len(more.in_review) <= 2
        left = more.left

    with database.transaction() as db:
        assert {row.status for row in db.scalars(select(Order))} == {OrderStatus.REVIEW}
        entries = [entry for own_id in ids for entry in history(db, own_id)]
        assert [(entry.type, entry.who) for entry in entries] == [("order.review", "os:ida")] * 5


def test_an_account_that_is_added_again_keeps_the_orders_that_were_left(
    database: Database,
) -> None:
    with database.transaction() as db:
        account = an_account(db, name="hafen")
        for _ in range(3):
            an_order(db, account, status="pending")
        removed = remove_account(db, account, who=Identity("os:ida"), force=True, most=2)
        account.status, account.secret_sealed = AccountStatus.ACTIVE, b"new"

    with database.transaction() as db:
        assert settle_more(db, removed.account, who=Identity("os:ida")).in_review == []
        open_still = select(Order).where(Order.status == OrderStatus.PENDING)
        assert len(db.scalars(open_still).all()) == 1
