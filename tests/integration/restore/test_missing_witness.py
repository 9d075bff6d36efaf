"""Tests of a witness that is not where it was kept: held by a frozen relay, lost, or of another key."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, text, update
from structlog.testing import capture_logs

from certline.models import Account, Database, Recovery, RecoveryPhase
from certline.models.audit.head import Head
from certline.models.audit.identity import Identity
from certline.models.audit.witness import Witness, witness_of
from certline.models.database.outage import OUTAGES
from certline.models.restore.recovery import is_compared, recovery_of
from certline.models.restore.testimony import begin_by_witness, witness_key
from certline.producers import recovery
from certline.producers.witness.keeper import WitnessKeeper
from certline.producers.witness.store import WITNESS, WitnessFile, WitnessQueue
from certline.simulator.server import Simulator
from tests.integration.producers.rabbit import a_wire, channel_to
from tests.integration.restore.conftest import ErpLine, an_order_for
from tests.integration.restore.test_witness_keeper import MemoryStore, change, later_witness, look
from tests.servers import until

DBA = Identity("os:dba")
END_ALL_OTHERS = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
def store() -> MemoryStore:
    """Return an empty store."""
    return MemoryStore()


@pytest.fixture
def line(
    database: Database, simulator: Simulator, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ErpLine]:
    """Yield a line with an account and a witness, before any start of Postgres."""
    monkeypatch.setattr("certline.producers.witness.keeper.LOOK_EVERY", -1.0)
    line = ErpLine(database, simulator)
    line.work()
    change(database)
    keeper = WitnessKeeper(database, store)
    keeper.compare()
    look(database, keeper)
    look(database, keeper)
    yield line
    line.database.close()


def restart_postgres(database: Database) -> None:
    """Have the data seem compared before the server was started."""
    with database.transaction() as db:
        an_hour_ago = func.pg_postmaster_start_time() - timedelta(hours=1)
        db.execute(update(Recovery).values(compared_start=an_hour_ago))
    database.close()


def state_of(database: Database) -> tuple[bool, int, bool]:
    """Return whether the data were compared, how many recoveries there were, and whether a witness is known."""
    with database.transaction() as db:
        row = recovery_of(db)
        return is_compared(db), row.number, row.witness_kept


def test_a_database_knows_that_its_witness_is_kept(line: ErpLine, store: MemoryStore) -> None:
    assert store.body is not None
    assert state_of(line.database) == (True, 0, True)


def test_an_empty_place_is_no_comparison_while_a_frozen_relay_may_hold_the_witness(
    line: ErpLine, vhost: str
) -> None:
    wire = a_wire(line.database.url, vhost)
    keeper = WitnessKeeper(line.database, WitnessQueue(wire, quorum=False))
    with channel_to(vhost) as frozen:
        frozen.queue_delete(WITNESS)
        WitnessQueue(wire, quorum=False).read()
        frozen.basic_publish("", WITNESS, later_witness(line.database))
        until(lambda: frozen.basic_get(WITNESS)[2], 10, every=0.05)
        restart_postgres(line.database)

        with capture_logs() as said:
            keeper.compare()
            look(line.database, keeper)
            look(line.database, keeper)

        assert state_of(line.database) == (False, 0, True)
        assert [each["event"] for each in said] == ["witness.missing"]
        line.send(*an_order_for(1))
        line.work()
        assert line.money_spent() == (0, 0, 0)

    def is_found() -> bool:
        look(line.database, keeper)
        return state_of(line.database) == (True, 1, True)

    until(is_found, 10, every=0.05)
    line.work()
    assert line.money_spent() == (0, 0, 0)
    with line.database.transaction() as db:
        assert "as its witness says" in str(recovery_of(db).why)
    wire.close()


def test_a_witness_that_stays_away_begins_a_recovery_which_ends_by_itself(
    line: ErpLine, store: MemoryStore
) -> None:
    store.body = None
    restart_postgres(line.database)
    keeper = WitnessKeeper(line.database, store)
    line.send(*an_order_for(1))

    with capture_logs() as said:
        keeper.compare()
    look(line.database, keeper)
    look(line.database, keeper)

    assert [each["event"] for each in said] == ["witness.says_nothing"]
    assert state_of(line.database) == (True, 1, True)  # of the new witness
    line.work()
    assert line.money_spent() == (0, 0, 0)
    line.recover()
    line.work()
    assert line.money_spent() == (1, 0, 0)


def test_a_witness_that_is_gone_stops_nothing_while_postgres_runs(
    line: ErpLine, store: MemoryStore
) -> None:
    store.body = None
    store.held_for = 60.0
    keeper = WitnessKeeper(line.database, store)

    keeper.compare()
    look(line.database, keeper)

    assert store.body is not None
    assert state_of(line.database) == (True, 0, True)


def test_what_this_relay_knows_does_not_stand_for_a_witness_that_is_gone(
    line: ErpLine, store: MemoryStore
) -> None:
    """It may have been frozen since, while another one kept a newer witness."""
    keeper = WitnessKeeper(line.database, store)
    keeper.compare()
    look(line.database, keeper)
    store.body = None
    restart_postgres(line.database)

    look(line.database, keeper)

    assert state_of(line.database)[:2] == (True, 1)


@pytest.mark.parametrize("account", ["none", "removed"])
def test_nothing_begins_where_no_account_could_be_compared(
    database: Database, store: MemoryStore, account: str
) -> None:
    with database.transaction() as db:
        db.execute(delete(Account))
        if account == "removed":
            db.execute(
                text(
                    "INSERT INTO account (name, url, login_kind, customer_uri, login, status) "
                    "VALUES ('old', 'https://scm.example/api', 'password', 'demo', 'admin', 'removed')"
                )
            )
        db.execute(update(Recovery).values(witness_kept=True))
    restart_postgres(database)

    WitnessKeeper(database, store).compare()

    assert state_of(database)[:2] == (True, 0)


def test_a_line_that_never_had_a_witness_is_not_asked_for_one(
    line: ErpLine, store: MemoryStore
) -> None:
    store.body = None
    with line.database.transaction() as db:
        db.execute(update(Recovery).values(witness_kept=False))
    restart_postgres(line.database)

    WitnessKeeper(line.database, store).compare()

    assert state_of(line.database) == (True, 0, False)


def test_where_none_can_be_kept_any_more_it_is_missed_once(line: ErpLine) -> None:
    for _ in range(2):
        restart_postgres(line.database)
        keeper = WitnessKeeper(line.database, WitnessFile(None))
        keeper.compare()
        look(line.database, keeper)
        look(line.database, keeper)

    assert state_of(line.database) == (True, 1, False)


@pytest.mark.parametrize("has_key", [True, False], ids=["forged", "older than its key"])
def test_a_witness_of_another_key_begins_a_recovery(
    line: ErpLine, store: MemoryStore, *, has_key: bool
) -> None:
    line.send(*an_order_for(1))
    line.work()
    store.body = foreign_witness(line.database)
    restart_postgres(line.database)
    if not has_key:  # a snapshot from before migration 0042, migrated
        never = {"witness_key": None, "witness_kept": False}
        with line.database.transaction() as db:
            db.execute(update(Recovery).values(**never, compared_start=None, compared_table=None))

    WitnessKeeper(line.database, store).compare()

    with line.database.transaction() as db:
        row = recovery_of(db)
        assert (row.phase, row.number) == (RecoveryPhase.NOTICED, 1)
        assert "not signed with this database's key" in str(row.why)


def test_a_new_database_in_a_vhost_that_another_has_used_orders_at_once(
    database: Database, simulator: Simulator, store: MemoryStore
) -> None:
    line = ErpLine(database, simulator)
    line.work()
    store.body = foreign_witness(database)
    line.send(*an_order_for(1))

    WitnessKeeper(database, store).compare()

    assert state_of(database)[:2] == (True, 0)
    line.work()
    assert line.money_spent() == (1, 0, 0)
    line.database.close()


def test_a_witness_of_another_key_stops_nothing_while_postgres_runs(
    line: ErpLine, store: MemoryStore
) -> None:
    store.body = foreign_witness(line.database)

    WitnessKeeper(line.database, store).compare()

    assert state_of(line.database)[:2] == (True, 0)


def test_a_witness_that_was_read_before_the_restore_is_not_compared_with_what_was_restored(
    line: ErpLine, store: MemoryStore
) -> None:
    """A relay that was frozen after it had read: the server, or the table, is another one when it wakes up."""
    restart_postgres(line.database)

    class RestoredMeanwhile(MemoryStore):
        def read(self) -> bytes | None:
            with Database(line.database.url, pool_size=1).transaction() as db:
                db.execute(END_ALL_OTHERS)
            return store.body

    with pytest.raises(OUTAGES):
        WitnessKeeper(line.database, RestoredMeanwhile()).compare()

    assert state_of(line.database) == (False, 0, True)


def test_a_recovery_that_the_identity_or_a_person_began_is_not_begun_again(
    line: ErpLine, store: MemoryStore
) -> None:
    store.body = None
    restart_postgres(line.database)
    with line.database.transaction() as db:
        db.execute(update(Recovery).values(timeline=Recovery.timeline + 1))
    line.database.close()
    keeper = WitnessKeeper(line.database, store)
    keeper.compare()
    assert state_of(line.database)[:2] == (True, 1)

    restart_postgres(line.database)
    with line.database.transaction() as db:
        recovery.begin(db, requested_by=DBA, why="the folder was restored")
    keeper.compare()

    assert state_of(line.database)[:2] == (True, 2)


def test_what_a_person_has_accepted_no_older_witness_undoes(
    line: ErpLine, store: MemoryStore
) -> None:
    store.body = later_witness(line.database)
    restart_postgres(line.database)
    with line.database.transaction() as db:
        recovery.accept_as_it_is(db, requested_by=DBA, why="nothing was lost")

    WitnessKeeper(line.database, store).compare()

    assert state_of(line.database)[:2] == (True, 0)


def test_a_witness_of_a_clock_that_is_ahead_begins_one_recovery(line: ErpLine) -> None:
    with line.database.transaction() as db:
        in_an_hour = witness_of(db).at + timedelta(hours=1)
        begun = [begin_by_witness(db, "it lacks entries", in_an_hour) for _ in range(2)]

    assert begun == [True, False]


def foreign_witness(database: Database) -> bytes:
    """Return a witness that another database has signed."""
    with database.transaction() as db:
        assert witness_key(db) != b"o" * 32
        return Witness(Head((9,), "a" * 64), witness_of(db).at).signed(b"o" * 32)
