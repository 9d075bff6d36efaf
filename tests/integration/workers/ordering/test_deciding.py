"""Tests of an operator's decision on an order in review: carried out once, and recorded."""

import pytest

from certline.models import AuditEntry, Command, CommandStatus, OrderStatus
from certline.models.audit.identity import Identity
from certline.models.audit.log import history
from certline.models.orders.reconciliation import MOST_LOOKS
from certline.models.validation import BadCommandError
from certline.producers.requests.order_review import adopt, may_be_at_scm, reject, send_again
from tests.integration.workers.conftest import Bench
from tests.integration.workers.lookups import lost, reconciled


@pytest.fixture
def unclear(bench: Bench) -> Command:
    """Return an order that SCM has, without proof that it is ours."""
    bench.settings(auto_approve=False)
    command = lost(bench, "drop_after", comments="x" * 1010)
    for _ in range(2):
        reconciled(bench, command)
    assert bench.order(command).status is OrderStatus.REVIEW
    return command


@pytest.fixture
def missing(bench: Bench) -> Command:
    """Return an order that SCM does not have, without a newer one that proves it."""
    command = lost(bench, "drop_before")
    for _ in range(MOST_LOOKS):
        reconciled(bench, command)
    assert bench.order(command).status is OrderStatus.REVIEW
    return command


def test_an_adopted_record_becomes_the_orders_certificate(bench: Bench, unclear: Command) -> None:
    order = bench.order(unclear)
    (ssl_id,) = may_be_at_scm(order)

    adopt(bench.database, order.id, ssl_id, who=Identity("os:ida"), why="seen in the portal")
    bench.decide(ssl_id, "approve")
    finish(bench)

    assert bench.order(unclear).status is OrderStatus.STORED
    assert bench.command(unclear.id).status is CommandStatus.DONE
    assert [event.why for event in decisions(bench, unclear)] == [
        f"adopted SCM's {ssl_id}: seen in the portal"
    ]


def test_a_wrongly_adopted_record_is_not_stored(bench: Bench, missing: Command) -> None:
    other = bench.place(common_name="other.nordhafen.example")
    bench.settings(auto_approve=True)
    bench.run(other.id)
    taken = bench.order(other).scm_id or 0

    with pytest.raises(BadCommandError, match=f"sslId {taken} belongs to order"):
        adopt(bench.database, bench.order(missing).id, taken, who=Identity("os:ida"), why=None)

    adopt(bench.database, bench.order(missing).id, 4711, who=Identity("os:ida"), why=None)
    finish(bench)
    assert bench.order(missing).status is OrderStatus.REVIEW


def test_an_order_that_is_sent_again_is_sent_once(bench: Bench, missing: Command) -> None:
    assert may_be_at_scm(bench.order(missing)) == []

    send_again(bench.database, bench.order(missing).id, who=Identity("os:ida"), why=None)
    finish(bench)

    assert bench.order(missing).status is OrderStatus.STORED
    assert len(bench.orders_at_scm()) == 1


def test_a_rejected_order_ends_its_command(bench: Bench, missing: Command) -> None:
    reject(
        bench.database, bench.order(missing).id, who=Identity("os:ida"), why="not wanted any more"
    )

    assert bench.order(missing).status is OrderStatus.REJECTED
    assert bench.command(missing.id).status is CommandStatus.FAILED
    assert bench.command(missing.id).error == "not wanted any more"
    with pytest.raises(BadCommandError, match="nothing to decide"):
        reject(bench.database, bench.order(missing).id, who=Identity("os:ida"), why=None)


def test_what_is_still_looked_up_is_not_decided(bench: Bench) -> None:
    order = bench.order(lost(bench, "drop_after"))

    with pytest.raises(BadCommandError, match="still being looked up"):
        send_again(bench.database, order.id, who=Identity("os:ida"), why=None)


def finish(bench: Bench) -> None:
    """Run steps until nothing is due."""
    for _ in range(6):
        bench.make_due()
        bench.run_due()


def decisions(bench: Bench, command: Command) -> list[AuditEntry]:
    """Return the audit entries of decisions."""
    with bench.database.transaction() as db:
        events = history(db, bench.order(command).id)
    return [event for event in events if event.type == "order.resolved"]
