"""What a recovery does with orders of each status, with automatic renewal, and with what a person decides."""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import delete, select, update

from certline.models import (
    Certificate,
    Command,
    CommandStatus,
    CommandType,
    Database,
    Order,
    OrderKind,
    OrderStatus,
    Recovery,
    RecoveryPhase,
)
from certline.models.audit.identity import SCHEDULE, Identity
from certline.models.commands.command import accept
from certline.models.restore.recovery import recovery_of
from certline.models.server.identity import ServerIdentity, differences
from certline.producers import recovery
from tests.integration.restore.conftest import (
    ErpLine,
    a_successor_of,
    an_order_for,
    send_all,
)
from tests.servers import PostgresServer

DBA = Identity("os:dba")


def test_an_order_that_was_placed_before_the_backup_and_sent_after_it_keeps_its_key(
    line: ErpLine, copy_of: str
) -> None:
    line.work()
    assert line.money_spent() == (4, 0, 0)

    line.moves_to(copy_of)
    line.recover()
    line.lets_settle()
    line.work()

    assert line.money_spent() == (4, 0, 0)
    certificate = line.certificate_for("host3.nordhafen.example")
    assert certificate.key_id is not None
    assert not certificate.key_lost


def test_an_order_that_was_never_sent_is_sent_once_the_recovery_has_ended(
    line: ErpLine, copy_of: str
) -> None:
    spent = line.money_spent()
    line.moves_to(copy_of)
    line.work()
    assert line.money_spent() == spent

    line.recover()
    line.work()

    assert line.money_spent() == (4, 0, 0)
    assert not line.certificate_for("host3.nordhafen.example").key_lost


def test_reading_goes_on_during_a_recovery(line: ErpLine, copy_of: str) -> None:
    line.moves_to(copy_of)

    line.work()

    with line.database.transaction() as db:
        assert recovery_of(db).in_progress
    assert line.certificate_for("host2.nordhafen.example") is not None


def test_what_certline_does_not_manage_is_not_taken_in(line: ErpLine, copy_of: str) -> None:
    line.work()
    line.moves_to(copy_of)
    with line.database.transaction() as db:
        known = {*db.scalars(select(Order.scm_id))}
    line.place_at_scm("stranger.nordhafen.example")

    line.recover()

    with line.database.transaction() as db:
        names = set(db.scalars(select(Order.common_name)))
        found = {*db.scalars(select(Order.scm_id))} - known
    assert found
    assert "stranger.nordhafen.example" not in names


@pytest.mark.parametrize("kind", [CommandType.RENEW, CommandType.REISSUE])
def test_a_successor_that_was_placed_before_the_backup_is_adopted_with_its_key(
    line: ErpLine, postgres: PostgresServer, kind: CommandType
) -> None:
    send_all(line, [an_order_for(0)])
    certificate = line.certificate_for("host0.nordhafen.example")
    more = {"reason": "key moved"} if kind is CommandType.REISSUE else {}
    command = line.succeed(kind, certificate.id, **more)
    line.database.close()
    with postgres.database(line.database.url) as url:
        line.work()
        spent = line.money_spent()
        assert sum(spent) == 2
        line.moves_to(url)
        line.recover()
        line.lets_settle()
        line.work()
        assert line.money_spent() == spent
        order = line.order(command)
        assert order.status is OrderStatus.STORED
        assert not line.certificate_for("host0.nordhafen.example").key_lost
        line.database.close()


def test_automatic_renewal_renews_nothing_that_was_renewed_in_the_lost_time(
    line: ErpLine, copy_of: str
) -> None:
    certificate = line.certificate_for("host0.nordhafen.example")
    send_all(line, [a_successor_of(CommandType.RENEW, certificate)])
    spent = line.money_spent()
    assert spent[1] == 1
    line.moves_to(copy_of)

    def renew_automatically() -> Command:
        with line.database.transaction() as db:
            return accept(
                db,
                CommandType.RENEW,
                {"certificate": certificate.id},
                requested_by=SCHEDULE,
                source="producer",
                command_id=str(uuid4()),
            )[0]

    early = renew_automatically()
    line.work()
    line.recover()
    late = renew_automatically()
    line.work()

    assert line.money_spent()[1] == spent[1]
    assert line.command(early.id).status is CommandStatus.DONE
    assert line.command(late.id).status is CommandStatus.FAILED
    assert "was renewed" in str(line.command(late.id).error) or "superseded" in str(
        line.command(late.id).error
    )


def test_a_renewal_of_a_recovered_certificate_is_a_new_one_once_it_is_due(
    line: ErpLine, copy_of: str
) -> None:
    line.work()
    line.moves_to(copy_of)
    line.recover()
    line.work()
    lost = line.certificate_for("host1.nordhafen.example")
    assert lost.key_lost
    before = line.money_spent()[1]

    send_all(line, [a_successor_of(CommandType.RENEW, lost)])

    assert line.money_spent()[1] == before + 1
    assert not line.certificate_for("host1.nordhafen.example").key_lost


def test_a_command_is_answered_with_a_recovered_renewal_once(line: ErpLine, copy_of: str) -> None:
    certificate = line.certificate_for("host0.nordhafen.example")
    renewal = a_successor_of(CommandType.RENEW, certificate)
    send_all(line, [renewal])
    line.moves_to(copy_of)
    line.recover()
    send_all(line, [renewal])
    kind, payload, _ = renewal

    second = line.send(kind, payload, str(uuid4()))
    line.work()

    assert line.command(renewal[2]).status is CommandStatus.DONE
    assert line.command(second.id).status is CommandStatus.FAILED
    with line.database.transaction() as db:
        order = db.scalars(select(Order).where(Order.command_id == renewal[2])).one()
    assert order.kind is OrderKind.RENEWAL


@pytest.mark.parametrize("status", [429, 503], ids=["throttled", "failing"])
def test_a_renewal_joins_its_line_even_if_scm_cannot_show_its_predecessor_at_first(
    line: ErpLine, copy_of: str, status: int
) -> None:
    certificate = line.certificate_for("host0.nordhafen.example")
    send_all(line, [a_successor_of(CommandType.RENEW, certificate)])
    line.moves_to(copy_of)
    line.fault("GET", f"/ssl/v1/{certificate.scm_id}$", "status", status=status)

    ended = line.recover()

    assert ended.result is not None
    assert ended.result["renewals"] == 1
    renewal = line.certificate_for("host0.nordhafen.example")
    assert (renewal.line_id, renewal.supersedes_id) == (certificate.line_id, certificate.id)


@pytest.mark.parametrize("limited", [True, False], ids=["own only", "unlimited"])
@pytest.mark.parametrize("kind", [CommandType.RENEW, CommandType.REISSUE])
def test_a_successor_that_was_asked_for_by_common_name_is_not_executed_twice(
    line: ErpLine, copy_of: str, kind: CommandType, *, limited: bool
) -> None:
    line.is_limited = limited
    more = {"reason": "key moved"} if kind is CommandType.REISSUE else {}
    payload, command_id = {"certificate": "host0.nordhafen.example", **more}, str(uuid4())
    line.send_as_allowed(kind, payload, command_id)
    line.work()
    spent = line.money_spent()
    line.moves_to(copy_of)
    line.recover()

    line.send_as_allowed(kind, payload, command_id)
    line.work()

    assert line.money_spent()[1:] == spent[1:]
    assert line.command(command_id).status is CommandStatus.DONE


def test_a_recovery_that_is_accepted_lets_orders_go_on(line: ErpLine, copy_of: str) -> None:
    line.moves_to(copy_of)
    line.work()
    with line.database.transaction() as db:
        recovery.accept_as_it_is(db, requested_by=DBA, why="a copy for tests")

    line.work()

    assert line.money_spent() == (4, 0, 0)
    with line.database.transaction() as db:
        assert recovery_of(db).phase is RecoveryPhase.SETTLED


def test_a_restore_that_nothing_shows_is_recovered_by_hand(line: ErpLine) -> None:
    order = an_order_for(5)
    send_all(line, [order])
    with line.database.transaction() as db:  # the folder was copied back: the identity is the same
        db.execute(update(Order).values(certificate_id=None))
        for table in (Certificate, Order):
            db.execute(delete(table))
        db.execute(delete(Command).where(Command.id == order[2]))
        recovery.begin(db, requested_by=DBA, why="the folder was restored")

    line.moves_to(line.database.url)

    line.send(*order)
    line.recover()
    line.work()

    assert line.money_spent() == (1, 0, 0)
    assert line.certificate_for("host5.nordhafen.example").key_lost


def test_an_order_that_was_placed_during_the_recovery_is_not_sent_if_scm_has_it(
    line: ErpLine, copy_of: str
) -> None:
    _, payload, command_id = an_order_for(7)
    line.place(command_id=command_id, **payload)
    line.work()
    spent = line.money_spent()
    line.moves_to(copy_of)

    line.place(command_id=command_id, **payload)
    line.recover()
    line.work()

    assert line.money_spent() == spent


def test_nothing_is_compared_before_what_was_on_its_way_has_arrived(
    line: ErpLine, copy_of: str
) -> None:
    line.moves_to(copy_of)
    for _ in range(3):
        recovery.go_on(line.database, timedelta(minutes=15))

    with line.database.transaction() as db:
        row = recovery_of(db)
        assert row.phase is RecoveryPhase.WAITING
        assert row.compares_at is not None
        assert row.noticed_at is not None
        assert row.compares_at - row.noticed_at >= timedelta(minutes=15)
        imports = select(Command).where(Command.source == "recovery")
        assert db.scalars(imports).all() == []


def test_a_further_restore_begins_the_recovery_anew(
    line: ErpLine, copy_of: str, postgres: PostgresServer
) -> None:
    line.moves_to(copy_of)
    recovery.go_on(line.database, timedelta(0))
    line.database.close()
    with postgres.database(copy_of) as url:
        line.moves_to(url)
        with line.database.transaction() as db:
            row = recovery_of(db)
            assert (row.phase, row.number) == (RecoveryPhase.NOTICED, 2)
        line.recover()
        line.database.close()


def test_a_part_of_the_identity_that_the_server_does_not_tell_makes_no_difference() -> None:
    stored = ServerIdentity("77", 1, 5)

    assert differences(stored, ServerIdentity(None, 1, 5)) == []
    assert differences(ServerIdentity(None, None, 5), stored) == []
    assert len(differences(stored, ServerIdentity("78", 2, 6))) == 3


def test_the_first_connection_stores_the_identity(database: Database) -> None:
    with database.transaction() as db:
        row = db.scalars(select(Recovery)).one()

    assert row.cluster is not None
    assert row.timeline == 1
    assert row.database is not None
    assert not row.in_progress
