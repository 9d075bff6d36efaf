"""Tests of the relay's part in noticing a restore that leaves the database's identity as it is."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, func, insert, select, update
from structlog.testing import capture_logs

from certline.models import Database, Order, OrderStatus, Recovery, RecoveryPhase
from certline.models.audit.head import Head
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.audit.witness import Witness, witness_of
from certline.models.restore.recovery import is_compared, recovery_of
from certline.models.restore.testimony import witness_key
from certline.producers import recovery
from certline.producers.witness.keeper import WitnessKeeper
from certline.simulator.server import Simulator
from tests.integration.restore.conftest import ErpLine, an_order_for

DBA = Identity("os:dba")


class MemoryStore:
    """A store in memory. `body`: what is kept; `written`: how often something was; `held_for`: as of a queue."""

    def __init__(self) -> None:
        self.body: bytes | None = None
        self.written = 0
        self.held_for = 0.0

    def read(self) -> bytes | None:
        """Return what is kept."""
        return self.body

    def write(self, body: bytes) -> bool:
        """Keep it."""
        self.body = body
        self.written += 1
        return True


@pytest.fixture
def store() -> MemoryStore:
    """Return an empty store."""
    return MemoryStore()


@pytest.fixture
def keeper(
    database: Database, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> WitnessKeeper:
    """Return a keeper for the database, which looks as often as it is asked to."""
    monkeypatch.setattr("certline.producers.witness.keeper.LOOK_EVERY", -1.0)
    change(database)
    return WitnessKeeper(database, store)


def change(database: Database) -> None:
    """Add an entry to the audit log."""
    with database.transaction() as db:
        record(db, "license.changed", "license", who=DBA)


def look(database: Database, keeper: WitnessKeeper) -> None:
    """Have the keeper look and keep, as the relay does with each batch."""
    with database.transaction() as db:
        keeper.look(db)
    keeper.keep()


def row_of(database: Database) -> Recovery:
    """Return the recovery's row."""
    with database.transaction() as db:
        return recovery_of(db)


def later_witness(database: Database) -> bytes:
    """Return a witness that counts an entry more than the log has, as after a restore."""
    with database.transaction() as db:
        now = witness_of(db)
        head = Head((now.head.counts[0] + 1, *now.head.counts[1:]), "ab" * 32)
        return Witness(head, now.at).signed(witness_key(db))


def test_what_was_kept_is_contained_in_the_log_for_good(
    database: Database, keeper: WitnessKeeper, store: MemoryStore
) -> None:
    keeper.compare()
    look(database, keeper)
    change(database)

    WitnessKeeper(database, store).compare()

    assert store.written == 1
    assert not row_of(database).in_progress


def test_it_is_written_only_if_the_log_has_changed(
    database: Database, keeper: WitnessKeeper, store: MemoryStore
) -> None:
    keeper.compare()
    for _ in range(3):
        look(database, keeper)
    assert store.written == 1
    change(database)

    look(database, keeper)

    assert store.written == 2


def test_it_is_written_only_after_a_while(
    database: Database,
    keeper: WitnessKeeper,
    store: MemoryStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("certline.producers.witness.keeper.LOOK_EVERY", 60.0)
    keeper.compare()
    assert keeper.is_due
    look(database, keeper)
    change(database)

    look(database, keeper)

    assert not keeper.is_due
    assert store.written == 1


def test_nothing_is_kept_before_the_first_comparison(
    database: Database, keeper: WitnessKeeper, store: MemoryStore
) -> None:
    look(database, keeper)

    assert store.body is None


def test_a_log_that_lacks_what_the_witness_counts_begins_a_recovery(
    database: Database, keeper: WitnessKeeper, store: MemoryStore
) -> None:
    store.body = later_witness(database)

    with capture_logs() as said:
        keeper.compare()

    row = row_of(database)
    assert (row.phase, row.number) == (RecoveryPhase.NOTICED, 1)
    assert row.why is not None
    assert "as its witness says, and lacks some of them" in row.why
    # Entries that were made since the server was started say nothing about what is lost.
    assert row.known_until is None
    assert [each["event"] for each in said] == ["witness.contradicts"]


def test_a_recovery_that_was_begun_since_is_not_begun_again(
    database: Database, keeper: WitnessKeeper, store: MemoryStore
) -> None:
    store.body = later_witness(database)
    keeper.compare()
    with database.transaction() as db:
        recovery.accept_as_it_is(db, requested_by=DBA, why="a copy for tests")

    # The relay was killed before it had kept a new one.
    WitnessKeeper(database, store).compare()

    row = row_of(database)
    assert (row.phase, row.number) == (RecoveryPhase.SETTLED, 1)


def test_the_next_witness_is_of_the_restored_log(
    database: Database, keeper: WitnessKeeper, store: MemoryStore
) -> None:
    store.body = old = later_witness(database)
    keeper.compare()

    look(database, keeper)

    assert store.body != old
    with database.transaction() as db:
        key = witness_key(db)
        head = witness_of(db).head
    assert store.body is not None
    assert Witness.read(store.body, key).head == head


def test_what_the_process_knows_is_compared_even_if_the_broker_has_lost_it(
    database: Database, keeper: WitnessKeeper, store: MemoryStore
) -> None:
    keeper.compare()
    look(database, keeper)
    with database.transaction() as db:
        # What the log has lacks an entry of what this relay has seen.
        db.connection().exec_driver_sql("ALTER TABLE event_link DISABLE TRIGGER ALL")
        db.connection().exec_driver_sql("UPDATE event_link SET hash = repeat('0', 64)")
        db.connection().exec_driver_sql("ALTER TABLE event_link ENABLE TRIGGER ALL")
    change(database)
    store.body = None

    look(database, keeper)

    assert row_of(database).in_progress


def test_a_dump_that_is_put_back_while_the_relay_runs_and_lacks_nothing_stops_nothing(
    database: Database, keeper: WitnessKeeper
) -> None:
    keeper.compare()
    look(database, keeper)
    with database.transaction() as db:
        db.execute(update(Recovery).values(compared_table=1))  # as the dump has it
        assert not is_compared(db)

    look(database, keeper)

    with database.transaction() as db:
        assert is_compared(db)
    assert row_of(database).number == 0


def test_a_relay_waits_for_the_row_while_a_dump_is_put_back(
    database: Database, keeper: WitnessKeeper, store: MemoryStore
) -> None:
    keeper.compare()
    with database.transaction() as db:
        row = db.execute(delete(Recovery).returning(Recovery.__table__)).one()._asdict()
    look(database, keeper)
    assert store.body is None
    with database.transaction() as db:
        db.execute(insert(Recovery).values(row | {"compared_table": 1}))

    look(database, keeper)
    look(database, keeper)

    assert store.body is not None
    with database.transaction() as db:
        assert is_compared(db)


@pytest.mark.parametrize(
    "body", [b"{}", Witness(Head((9,), "a" * 64), datetime.now(UTC)).signed(b"")]
)
def test_a_forged_witness_is_ignored_and_replaced(
    database: Database, keeper: WitnessKeeper, store: MemoryStore, body: bytes
) -> None:
    store.body = body

    with capture_logs() as said:
        keeper.compare()
    look(database, keeper)

    assert not row_of(database).in_progress
    assert [each["event"] for each in said] == ["witness.ignored"]
    assert store.body != body


def test_the_key_is_made_once(database: Database) -> None:
    with database.transaction() as db:
        assert recovery_of(db).witness_key is None
        first = witness_key(db)

    with database.transaction() as db:
        assert witness_key(db) == first
    assert len(first) == 32


@pytest.fixture
def line(database: Database, simulator: Simulator) -> Iterator[ErpLine]:
    """Yield a line whose data have not been compared since Postgres was started."""
    line = ErpLine(database, simulator)
    line.work()
    with database.transaction() as db:
        an_hour_ago = func.pg_postmaster_start_time() - timedelta(hours=1)
        db.execute(update(Recovery).values(compared_start=an_hour_ago))
    database.close()
    yield line
    line.database.close()


def test_nothing_is_sent_after_a_start_of_postgres_before_a_relay_has_compared(
    line: ErpLine, keeper: WitnessKeeper
) -> None:
    line.place(**an_order_for(1)[1])  # by a user, who does not wait
    line.send(*an_order_for(2))
    line.work()
    with line.database.transaction() as db:
        assert list(db.scalars(select(Order.status))) == [OrderStatus.PLACED]
    assert line.money_spent() == (0, 0, 0)
    assert "a relay compares its data" in str(line.command(an_order_for(2)[2]).error)

    keeper.compare()
    line.work()

    assert line.money_spent() == (2, 0, 0)


def test_what_was_restored_is_not_sent_even_if_its_worker_was_never_restarted(
    line: ErpLine, keeper: WitnessKeeper, store: MemoryStore
) -> None:
    store.body = later_witness(line.database)
    line.send(*an_order_for(1))
    line.work()

    keeper.compare()
    line.work()

    assert line.money_spent() == (0, 0, 0)
    line.recover()
    line.work()
    assert line.money_spent() == (1, 0, 0)
