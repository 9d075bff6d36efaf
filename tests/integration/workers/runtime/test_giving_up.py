"""Tests that retries are limited: afterwards an operator decides, and sees the reason."""

from sqlalchemy import update

from certline.models import Command, CommandStatus, CommandType, OrderStatus
from certline.models.commands.command import MOST_RESTARTS
from certline.workers.ordering.claim import MOST_ATTEMPTS
from certline.workers.runtime.outcomes import MOST_TRIES
from tests.integration.workers.conftest import Bench
from tests.integration.workers.lookups import lookup_of, lost

LATER = '{"code": -140, "description": "CSR decoding is temporarily unavailable"}'


def test_an_order_that_scm_cannot_take_again_and_again_is_for_a_person(bench: Bench) -> None:
    command = bench.place()
    bench.fault("POST", "enroll", "status", times=None, status=400, body=LATER)

    for _ in range(MOST_ATTEMPTS + 1):
        bench.make_due()
        bench.run(command.id)

    order = bench.order(command)
    assert (order.status, order.attempts) == (OrderStatus.REVIEW, MOST_ATTEMPTS)
    assert f"tried {MOST_ATTEMPTS} times" in (order.error or "")
    assert "temporarily unavailable" in (order.error or "")
    assert bench.calls("POST /ssl/v1/enroll") == MOST_ATTEMPTS
    assert bench.command(command.id).status is CommandStatus.REVIEW


def test_a_wait_grows_and_is_a_row(bench: Bench) -> None:
    command = bench.place()
    bench.fault("POST", "enroll", "status", times=3, status=400, body=LATER)

    waits = []
    for _ in range(3):
        bench.make_due()
        after = bench.run(command.id)
        waits.append((after.not_before - after.touched_at).total_seconds())

    assert waits[0] < waits[1] < waits[2]
    bench.make_due()
    bench.run(command.id)
    assert bench.order(command).status is OrderStatus.PENDING


def test_a_record_that_cannot_be_read_again_and_again_is_for_a_person(bench: Bench) -> None:
    command = bench.place()
    bench.run(command.id)
    bench.fault("GET", r"/ssl/v1/\d+$", "status", times=None, status=400, body=LATER)

    for _ in range(MOST_TRIES):
        bench.make_due()
        bench.run_due()

    order = bench.order(command)
    assert order.status is OrderStatus.REVIEW
    assert f"tried {MOST_TRIES} times" in (order.error or "")
    assert bench.calls("GET /ssl/v1/{sslId}") == MOST_TRIES


def test_an_answer_makes_earlier_failures_count_no_more(bench: Bench) -> None:
    bench.settings(auto_approve=False)
    command = bench.place()
    bench.run(command.id)

    for _ in range(2):
        bench.fault("GET", r"/ssl/v1/\d+$", "status", times=MOST_TRIES - 1, status=400, body=LATER)
        for _ in range(MOST_TRIES):
            bench.make_due()
            bench.run_due()

    assert bench.order(command).status is OrderStatus.PENDING


def test_an_order_whose_workers_die_of_it_is_for_a_person(bench: Bench) -> None:
    command = bench.place()
    worn(bench, command)

    bench.run(command.id)

    assert bench.order(command).status is OrderStatus.REVIEW
    assert bench.calls("POST /ssl/v1/enroll") == 0


def test_a_lookup_whose_workers_die_of_it_puts_the_order_before_a_person(bench: Bench) -> None:
    command = lost(bench, "drop_after")
    lookup = lookup_of(bench, command)
    worn(bench, lookup)

    bench.run(lookup.id)

    order = bench.order(command)
    assert order.status is OrderStatus.REVIEW
    assert "started 10 times without finishing" in (order.error or "")


def test_an_order_on_its_way_at_scm_is_not_stopped_by_its_command(bench: Bench) -> None:
    command = lost(bench, "drop_after")
    worn(bench, command)

    bench.run(command.id)

    assert bench.order(command).status is OrderStatus.SENDING
    assert bench.command(command.id).type is CommandType.ORDER


def worn(bench: Bench, command: Command) -> None:
    """Leave a command as if it had crashed its workers as often as allowed."""
    with bench.database.transaction() as db:
        db.execute(
            update(Command)
            .where(Command.id == command.id)
            .values(status=CommandStatus.RUNNING, restarts=MOST_RESTARTS)
        )
