"""Tests of a poll requested by another system: SCM is asked at once, and the order's own poll goes on."""

from certline.models import Command, CommandStatus, CommandType, OrderStatus
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from tests.integration.workers.conftest import Bench


def asked_for(bench: Bench, order: str | None) -> Command:
    """Run a poll as the ingress records it. Returns the command afterwards."""
    with bench.database.transaction() as db:
        command, _ = accept(
            db,
            CommandType.POLL,
            {} if order is None else {"order": order},
            requested_by=Identity("amqp:shop"),
            source="//shop.example",
        )
    return bench.run(command.id)


def test_scm_is_asked_about_a_pending_order_at_once(bench: Bench) -> None:
    bench.settings(auto_approve=False)
    placed = bench.place()
    bench.run(placed.id)
    order = bench.order(placed)
    assert order.status is OrderStatus.PENDING

    by_id = asked_for(bench, order.id)
    by_number = asked_for(bench, f"scm:{order.scm_id}")

    for asked in (by_id, by_number):
        assert (asked.status, asked.error) == (CommandStatus.DONE, None)
        assert asked.result == {
            "orders": 1,
            "order_id": order.id,
            "order_status": "pending",
            "scm_status": "Requested",
        }
    assert bench.calls("GET /ssl/v1/{sslId}") == 2
    assert bench.order(placed).polls == 0
    assert bench.run_due() == 1


def test_an_order_that_is_not_pending_is_not_asked_for(bench: Bench) -> None:
    order = bench.order(bench.place())

    asked = asked_for(bench, order.id)

    assert asked.status is CommandStatus.DONE
    assert (asked.result or {})["orders"] == 0


def test_an_order_that_nobody_knows_fails_the_poll(bench: Bench) -> None:
    asked = asked_for(bench, "scm:17")

    assert (asked.status, asked.error) == (CommandStatus.FAILED, "order: 'scm:17' is not known")


def test_without_an_order_all_that_are_pending_are_asked_for(bench: Bench) -> None:
    placed = bench.place()
    bench.run(placed.id)

    assert asked_for(bench, None).result == {"orders": 1}
