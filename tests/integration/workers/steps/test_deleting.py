"""Tests of deletion: our row and its keys are gone, SCM's record stays, and a licence line becomes free."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select, text

from certline.models import (
    Certificate,
    Command,
    CommandStatus,
    Line,
    Order,
    OrderStatus,
    Outbox,
    PrivateKey,
)
from certline.models.audit.identity import Identity
from certline.models.certificates.license import license_use, set_capacity
from certline.models.commands.payloads import DeleteCommand
from certline.models.database.base import Base
from certline.models.lifecycle.deletion import StillOpenError
from certline.models.orders.order import locked
from certline.models.validation import BadCommandError
from certline.producers.requests.certificates import request_deletion
from tests.integration.workers.conftest import Bench
from tests.integration.workers.succession import (
    asked_from_outside,
    certificate_of,
    events_of,
    go_on,
    reissue,
    renewal,
    revocation,
    stored,
    until_stored,
)
from tests.servers import until

WAITING_FOR_LOCKS = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def deletion(bench: Bench, **named: Any) -> Command:
    """Request a deletion as a user, and carry it out."""
    wanted = DeleteCommand(**named)
    return bench.run(
        request_deletion(bench.database, wanted, requested_by=Identity("os:ida")).command.id
    )


def waiting_for_locks(bench: Bench) -> int:
    with bench.database.transaction() as db:
        return db.scalar(text(WAITING_FOR_LOCKS)) or 0


def count(bench: Bench, table: type[Base]) -> int:
    with bench.database.transaction() as db:
        return db.scalar(select(func.count()).select_from(table)) or 0


def test_a_certificate_goes_with_all_its_versions_orders_and_keys(bench: Bench) -> None:
    certificate = stored(bench)
    until_stored(bench, renewal(bench, certificate))
    assert (count(bench, Certificate), count(bench, PrivateKey)) == (2, 2)

    command = deletion(bench, certificate=certificate.id, comments="moved to another CA")

    assert command.status is CommandStatus.DONE
    assert [count(bench, table) for table in (Certificate, Order, PrivateKey)] == [0, 0, 0]
    with bench.database.transaction() as db:
        assert license_use(db).used == 0
        assert db.scalars(select(Line)).one().deleted_at is not None
        told = select(Outbox.body).where(Outbox.routing_key == "certificate.deleted")
        assert len(db.scalars(told).all()) == 2
    (event,) = [each for each in events_of(bench, certificate.id) if "deleted" in each.type]
    assert (event.who, event.why) == ("os:ida", "moved to another CA")
    assert event.data["serial_number"] == certificate.serial_number
    assert [each["status"] for each in bench.orders_at_scm()] == ["Issued", "Issued"]
    assert bench.calls("DELETE /ssl/v1/{sslId}") == 0


def test_the_oldest_held_order_takes_the_room_of_a_deleted_line(bench: Bench) -> None:
    with bench.database.transaction() as db:
        set_capacity(db, 1)
    certificate = stored(bench)
    held = bench.place(common_name="shop.nordhafen.example")
    go_on(bench)
    assert bench.order(held).status is OrderStatus.HELD

    deletion(bench, certificate=certificate.id)
    until_stored(bench, held)

    with bench.database.transaction() as db:
        assert license_use(db).used == 1


def test_an_order_that_brought_nothing_goes_with_its_key(bench: Bench) -> None:
    order = bench.place()
    order_id = bench.order(order).id
    asked = {"order": order_id, "comments": "typed by mistake"}

    with pytest.raises(StillOpenError, match="placed"):
        deletion(bench, **asked)
    deletion(bench, yes=True, **asked)
    go_on(bench)

    assert [count(bench, table) for table in (Order, PrivateKey)] == [0, 0]
    assert bench.command(order.id).status is CommandStatus.FAILED
    assert bench.orders_at_scm() == []
    assert [each.type for each in events_of(bench, order_id)] == ["order.placed", "order.deleted"]


@pytest.mark.parametrize("same", [True, False], ids=["one command twice", "two commands"])
def test_an_order_that_is_deleted_by_two_workers_at_once_is_deleted_once(
    bench: Bench, same: bool
) -> None:
    order_id = bench.order(bench.place()).id
    asked = {"order": order_id, "comments": "typed by mistake", "yes": True}
    first = asked_from_outside(bench, "delete", asked)
    second = first if same else asked_from_outside(bench, "delete", asked)

    with ThreadPoolExecutor(2) as workers:
        with bench.database.transaction() as db:
            locked(db, order_id)  # both workers come as far as this
            ends = [workers.submit(bench.run, command.id) for command in (first, second)]
            until(lambda: waiting_for_locks(bench) == 2, 30, every=0.02)
        assert [end.exception() for end in ends] == [None, None]

    statuses = {bench.command(first.id).status, bench.command(second.id).status}
    assert statuses == {CommandStatus.DONE} | (set() if same else {CommandStatus.FAILED})
    deleted = [each for each in events_of(bench, order_id) if each.type == "order.deleted"]
    assert len(deleted) == 1


def test_what_is_deleted_while_scm_has_it_is_asked_for_no_more(bench: Bench) -> None:
    bench.settings(auto_approve=False)
    order = bench.place()
    bench.run_due()

    deletion(bench, order=bench.order(order).id, yes=True)
    before = bench.calls("GET /ssl/v1/{sslId}")
    go_on(bench)

    assert bench.calls("GET /ssl/v1/{sslId}") == before
    assert len(bench.orders_at_scm()) == 1


def test_an_order_whose_outcome_is_unknown_is_not_deleted(bench: Bench) -> None:
    bench.fault("POST", "enroll", "drop_after")
    order = bench.place()
    bench.run_due()

    with pytest.raises(BadCommandError, match="its key may be needed"):
        deletion(bench, order=bench.order(order).id, yes=True)


def test_a_stored_order_is_deleted_as_its_certificate(bench: Bench) -> None:
    certificate = stored(bench)

    with pytest.raises(BadCommandError, match=f"certificate delete {certificate.id}"):
        deletion(bench, order=certificate.order_id)


def test_a_line_with_an_open_successor_is_deleted_only_on_purpose(bench: Bench) -> None:
    certificate = stored(bench)
    open_one = reissue(bench, certificate)

    with pytest.raises(StillOpenError, match=bench.order(open_one).id):
        deletion(bench, certificate=certificate.id)
    deletion(bench, certificate=certificate.id, yes=True)

    assert count(bench, Order) == 0
    assert bench.command(open_one.id).status is CommandStatus.FAILED


def test_a_certificate_is_not_deleted_before_its_revocation_is_done(bench: Bench) -> None:
    certificate = stored(bench)
    revoking = revocation(bench, certificate)

    with pytest.raises(BadCommandError, match=f"command {revoking.id}"):
        deletion(bench, certificate=certificate.id)
    bench.run(revoking.id)

    assert deletion(bench, certificate=certificate.id).status is CommandStatus.DONE


def test_another_system_deletes_once_however_often_its_message_comes(bench: Bench) -> None:
    certificate = stored(bench)
    command = asked_from_outside(bench, "delete", {"certificate": certificate.id})

    first = bench.run(command.id)
    again = bench.run(command.id)

    assert first.status is again.status is CommandStatus.DONE
    assert (first.result or {})["certificates"] == [certificate.id]


def test_what_was_deleted_can_be_ordered_again(bench: Bench) -> None:
    deletion(bench, certificate=stored(bench).id)

    again = bench.place()
    go_on(bench)

    assert certificate_of(bench, again).common_name == "www.nordhafen.example"
