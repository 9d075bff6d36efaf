"""The story of a restore: orders, a backup, more orders, the restore, and everything is sent again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from sqlalchemy import select

from certline.models import (
    Certificate,
    CertificateStatus,
    Command,
    CommandStatus,
    CommandType,
    Database,
    RecoveryPhase,
)
from certline.models.audit.log import AuditEntry
from certline.models.restore.recovery import recovering, recovery_of
from certline.models.server.identity import Comparison
from certline.simulator.server import Simulator
from tests.conftest import migrate
from tests.integration.restore.conftest import (
    ErpLine,
    Sent,
    a_successor_of,
    an_order_for,
    send_all,
)
from tests.servers.postgres_cluster import cluster

HALF = 50
# Takes the backup; what it returns restores it, and returns the URL of the restored database.
Backup = Callable[[], Callable[[], str]]


@contextmanager
def dumped() -> Iterator[tuple[str, Backup]]:
    """Yield a database whose backup is a dump, restored into another database of the same cluster."""
    with cluster() as first:
        migrate(first.url)
        dump, restored = str(first.archive / "dump"), first.url_of("restored")

        def back_up() -> Callable[[], str]:
            first.run("pg_dump", "-Fc", "-f", dump, first.url)

            def restore() -> str:
                first.run("createdb", "--maintenance-db", first.url, "restored")
                first.run("pg_restore", "-d", restored, dump)
                return restored

            return restore

        yield first.url, back_up


@contextmanager
def archived() -> Iterator[tuple[str, Backup]]:
    """Yield a database whose backup is a base backup with the WAL since, restored to a moment."""
    with cluster() as first:
        migrate(first.url)

        def back_up() -> Callable[[], str]:
            copy = first.base_backup("restored")
            with psycopg.connect(first.url, autocommit=True) as connection:
                connection.execute("SELECT pg_create_restore_point('the_backup')")

            def restore() -> str:
                first.archive_everything()
                first.stop()
                copy.restore_to("the_backup")
                return copy.url

            return restore

        yield first.url, back_up


@contextmanager
def replicated() -> Iterator[tuple[str, Backup]]:
    """Yield a database with a standby that is promoted without the last commits of its primary."""
    with cluster() as first:
        migrate(first.url)

        def back_up() -> Callable[[], str]:
            standby = first.base_backup("standby", "-R")
            standby.start()
            # What follows does not reach it any more: asynchronous replication with a lag.
            standby.stop("fast")

            def fail_over() -> str:
                first.stop()
                standby.start()
                standby.promote()
                return standby.url

            return fail_over

        yield first.url, back_up


WAYS = {"dump": dumped, "base backup and WAL": archived, "standby": replicated}


@pytest.fixture(params=WAYS)
def restorable(request: pytest.FixtureRequest) -> Iterator[tuple[str, Backup]]:
    """Yield a migrated database, and how it is backed up and restored."""
    with WAYS[request.param]() as found:
        yield found


def the_first_half() -> Sent:
    """Return the orders before the backup."""
    return [an_order_for(number) for number in range(HALF)]


def the_second_half(line: ErpLine) -> Sent:
    """Return what follows the backup: as many orders, three renewals and a reissue."""
    with line.database.transaction() as db:
        query = select(Certificate).where(Certificate.status == CertificateStatus.ACTIVE)
        first = list(db.scalars(query.order_by(Certificate.common_name).limit(4)))
    renewals = [a_successor_of(CommandType.RENEW, each) for each in first[:3]]
    reissue = a_successor_of(CommandType.REISSUE, first[3], reason="key moved")
    return [
        *(an_order_for(number) for number in range(HALF, 2 * HALF)),
        *renewals,
        reissue,
    ]


def test_a_restored_line_orders_nothing_twice(
    restorable: tuple[str, Backup], simulator: Simulator
) -> None:
    url, back_up = restorable
    line = ErpLine(Database(url, pool_size=2), simulator)
    before = the_first_half()
    send_all(line, before)
    restore = back_up()
    after = the_second_half(line)
    send_all(line, after)
    spent = line.money_spent()
    assert spent == (2 * HALF, 3, 1)
    issued = {record["sslId"] for record in line.orders_at_scm()}

    line.database.close()
    line.moves_to(restore())
    send_all(line, [*before, *after])  # while it is recovering, nothing of it is sent
    assert line.money_spent() == spent
    ended = line.recover()
    send_all(line, [*before, *after])

    assert line.money_spent() == spent
    assert ended.why is not None
    with line.database.transaction() as db:
        commands = db.scalars(select(Command).where(Command.sender.is_not(None))).all()
        assert len(commands) == len(before) + len(after)
        assert {command.status for command in commands} == {CommandStatus.DONE}
        certificates = list(db.scalars(select(Certificate)))
        assert {each.scm_id for each in certificates} >= issued
        lost = {each.id for each in certificates if each.key_lost}
        assert len(lost) == HALF + 3 + 1
        assert all((each.key_id is None) == (each.id in lost) for each in certificates)
        entries = set(db.scalars(select(AuditEntry.type)))
        assert {"database.restored", "recovery.ended"} <= entries
        assert recovery_of(db).phase is RecoveryPhase.SETTLED
    assert ended.result is not None
    assert ended.result["keys_lost"] == HALF + 4
    assert ended.result["renewals"] == 3
    assert ended.result["reissues"] == 1
    line.database.close()


def test_a_connection_that_was_opened_before_the_promotion_notices_it() -> None:
    with cluster() as first:
        migrate(first.url)
        before = Database(first.url)
        before.run(recovering)  # its connection stores the identity
        before.close()
        standby = first.base_backup("standby", "-R")
        first.stop()
        standby.start()
        database = Database(standby.url, pool_size=1)
        assert not database.run(recovering)

        standby.promote()

        assert database.run(recovering)
        assert "the timeline was 1 and is 2" in str(database.run(lambda db: recovery_of(db).why))
        database.close()


def test_without_a_recovery_the_line_orders_twice(
    restorable: tuple[str, Backup], simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof that the story can fail: the same line, if it does not notice the restore."""
    monkeypatch.setattr(
        "certline.models.database.session.compare_identity", lambda _: Comparison(False)
    )
    url, back_up = restorable
    line = ErpLine(Database(url, pool_size=2), simulator)
    restore = back_up()
    send_all(line, [an_order_for(number) for number in range(3)])

    line.moves_to(restore())
    send_all(line, [an_order_for(number) for number in range(3)])

    assert line.money_spent() == (6, 0, 0)
    line.database.close()
