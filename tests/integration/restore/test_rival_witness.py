"""Tests of two databases at one vhost, one of them a copy: neither overwrites the witness of the other."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text, update
from structlog.testing import capture_logs

from certline.models import Database, Recovery
from certline.models.audit.witness import Witness
from certline.models.restore.recovery import is_compared, recovery_of
from certline.models.restore.testimony import memory_of
from certline.producers.relay import Relay
from certline.producers.witness.keeper import WitnessKeeper
from certline.producers.witness.store import WITNESS, WitnessQueue
from tests.integration.producers.rabbit import a_wire, channel_to
from tests.integration.restore.test_missing_witness import restart_postgres
from tests.integration.restore.test_witness_keeper import change, look
from tests.servers import PostgresServer
from tests.support.factories import an_account

OWN_NUMBER = text("(SELECT oid::bigint FROM pg_database WHERE datname = current_database())")


class Line:
    """A database and its relay's keeper, at a vhost. `keeps`: has the relay look once, after a change."""

    def __init__(self, url: str, vhost: str) -> None:
        self.database = Database(url, pool_size=2)
        self.wire = a_wire(url, vhost)
        self.keeper = WitnessKeeper(self.database, WitnessQueue(self.wire, quorum=False))

    def keeps(self, *, changed: bool = True) -> None:
        """Have the log change, and the relay look."""
        if changed:
            change(self.database)
        look(self.database, self.keeper)

    def witness(self) -> Witness:
        """Return what is at RabbitMQ."""
        body = WitnessQueue(self.wire, quorum=False).read()
        assert body is not None
        with self.database.transaction() as db:
            return Witness.read(body, memory_of(db).key or b"")

    def number(self) -> int:
        """Return how many recoveries there were."""
        with self.database.transaction() as db:
            return recovery_of(db).number

    def close(self) -> None:
        """Disconnect from both servers."""
        self.wire.close()
        self.database.close()


@pytest.fixture
def original(database: Database, vhost: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """Yield a line that keeps its witness at the vhost."""
    monkeypatch.setattr("certline.producers.witness.keeper.LOOK_EVERY", -1.0)
    with channel_to(vhost) as channel:
        channel.queue_delete(WITNESS)
    line = Line(database.url, vhost)
    change(line.database)
    line.keeper.compare()
    line.keeps()
    line.keeps()
    line.database.close()
    yield line
    line.close()


@pytest.fixture(params=["dump", "folder"])
def copy(
    request: pytest.FixtureRequest, original: Line, postgres: PostgresServer, vhost: str
) -> Iterator[Line]:
    """Yield a copy of the line at the same vhost, which has a number of its own, or the same, as a folder has."""
    with postgres.database(original.database.url) as url:
        if request.param == "folder":
            # What the copy is called, the original is called as well.
            there = Database(url, compares=False)
            with there.transaction() as db:
                db.execute(update(Recovery).values(database=OWN_NUMBER))
                original.keeper._database_name = memory_of(db).database  # of the fixture
            restart_postgres(there)
        line = Line(url, vhost)
        original.keeps()
        yield line
        line.close()


def test_a_copy_does_not_overwrite_the_witness_of_the_original(original: Line, copy: Line) -> None:
    with capture_logs() as said:
        copy.keeper.compare()
        for _ in range(3):
            original.keeps()
            copy.keeps()

    assert copy.keeper.fault is not None
    assert "needs a vhost of its own" in copy.keeper.fault
    assert [each["event"] for each in said].count("witness.of_another") == 1
    assert original.witness().head == original.keeper._known.head  # type: ignore[union-attr]
    assert copy.number() <= 2
    # So the original has nothing to recover from, whenever it is connected anew.
    restart_postgres(original.database)
    original.keeper.compare()
    assert original.number() == 0


def test_an_idle_original_shows_that_it_is_in_use(
    original: Line, copy: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("certline.producers.witness.keeper.RENEW_EVERY", 0.0)
    before = original.witness()

    copy.keeper.compare()
    original.keeps(changed=False)
    copy.keeps()

    assert copy.keeper.fault is not None
    assert original.witness().head == before.head
    assert original.witness().at > before.at


def test_what_takes_the_place_of_an_original_that_is_gone_keeps_its_witness(
    original: Line, copy: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy.keeper.compare()
    copy.keeps()
    old = original.witness()

    monkeypatch.setattr("certline.producers.witness.rival.GONE_AFTER", 0.0)
    copy.keeps()
    copy.keeps()

    assert copy.witness().head != old.head
    assert copy.keeper.fault is None
    with copy.database.transaction() as db:
        assert is_compared(db)
        assert recovery_of(db).number == 1


def test_a_database_that_was_put_back_while_a_copy_is_alive_is_not_taken_for_compared(
    original: Line, copy: Line
) -> None:
    copy.keeper.compare()
    original.keeps()
    copy.keeps()
    assert copy.keeper.fault is not None
    restart_postgres(copy.database)

    original.keeps()
    copy.keeps()

    with copy.database.transaction() as db:
        assert not is_compared(db)


def test_a_database_whose_witness_a_copy_has_overwritten_recovers_instead_of_waiting_for_ever(
    original: Line, copy: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy.keeper.compare()
    original.keeps()
    copy.keeps()
    with copy.database.transaction() as db:
        an_account(db)
    before = copy.number()
    restart_postgres(copy.database)
    monkeypatch.setattr("certline.producers.witness.store.HELD_FOR", 0.001)

    for _ in range(2):
        original.keeps()
        copy.keeps()

    with copy.database.transaction() as db:
        assert is_compared(db)
        assert recovery_of(db).in_progress
    assert copy.number() == before + 1
    assert copy.keeper.fault is not None


def test_a_relay_says_that_the_vhost_is_of_another_database(original: Line, copy: Line) -> None:
    relay = Relay(copy.database, copy.wire, witness=copy.keeper)
    relay.beat = float("inf")
    copy.keeper.compare()
    assert relay.fault() is None

    original.keeps()
    copy.keeps()

    assert "vhost of its own" in str(relay.fault())
