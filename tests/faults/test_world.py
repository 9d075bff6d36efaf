"""Tests of the check of the end state: each of its faults, brought about on purpose."""

from collections.abc import Callable

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session

from certline.models import (
    Certificate,
    Command,
    CommandStatus,
    CommandType,
    Line,
    Order,
    OrderStatus,
    Outbox,
)
from certline.models.database.base import new_id
from certline.models.events.outbox import EVENTS
from tests.faults.harness.external_client import delay_for_an_hour
from tests.faults.harness.scenario import Stage
from tests.faults.invariants.check import faults_of
from tests.faults.invariants.types import Expected, World
from tests.faults.stories.cancel_delete import HOUR, cancelling
from tests.servers import until


@pytest.fixture
def world(stage: Stage) -> World:
    """Return a world with two stored certificates and no fault."""
    stage.store()
    stage.store()
    stage.start("worker")
    assert stage.finish() == []
    with stage.plant.database.transaction() as db:
        heard = list(db.scalars(select(Outbox.event_id).where(Outbox.exchange == EVENTS)))
    return World(Expected(tuple(stage.names)), stage.simulate("GET", "orders"), heard)


def an_order_is_forgotten(db: Session) -> None:
    db.execute(update(Order).values(status=OrderStatus.PENDING))


def an_order_has_another_id(db: Session) -> None:
    db.execute(update(Order).values(scm_id=Order.scm_id + 100))


def a_key_is_mixed_up(db: Session) -> None:
    first, second = db.scalars(select(Certificate).order_by(Certificate.id))
    first.key_id = second.key_id


def a_line_is_counted_twice(db: Session) -> None:
    certificate = db.scalars(select(Certificate)).first()
    assert certificate is not None
    name = certificate.common_name
    db.add(Line(id=new_id(), account_id=certificate.account_id, common_name=name))


def an_event_is_missing(db: Session) -> None:
    db.execute(delete(Outbox).where(Outbox.routing_key == "certificate.stored"))


def a_row_has_not_gone_out(db: Session) -> None:
    db.execute(update(Outbox).values(sent_at=None))


def a_command_goes_on(db: Session) -> None:
    # Order commands only: an order may have had several polls, of which one may be open.
    orders = update(Command).where(Command.type == CommandType.ORDER)
    db.execute(orders.values(status=CommandStatus.RUNNING))


def a_fence_falls(db: Session) -> None:
    db.execute(update(Order).values(fence=0))


def an_illegal_move_is_made(db: Session) -> None:
    db.execute(text('ALTER TABLE "order" DROP CONSTRAINT IF EXISTS order_known_to_scm'))
    db.execute(update(Order).values(status=OrderStatus.PLACED))


SPOILED: list[tuple[Callable[[Session], None], str]] = [
    (an_order_is_forgotten, "no poll is on its way"),
    (an_order_has_another_id, "which one of ours says it has"),
    (a_key_is_mixed_up, "is not for the key that is stored with it"),
    (a_line_is_counted_twice, "is counted and has no certificate"),
    (an_event_is_missing, "certificate.stored of order"),
    (a_row_has_not_gone_out, "is due and has not gone out"),
    (a_command_goes_on, "is still running"),
    (a_fence_falls, "fell from 1 to 0"),
    (an_illegal_move_is_made, "went from stored to placed"),
]


@pytest.mark.slow
def test_the_check_of_the_world_sees_each_wrong(stage: Stage, world: World) -> None:
    sees_what_is_wrong_in_the_tables(stage, world)
    sees_what_is_wrong_elsewhere(stage, world)


@pytest.mark.slow
def test_what_scm_issues_after_it_was_cancelled_waits_for_a_person_and_is_no_fault(
    stage: Stage,
) -> None:
    stage.simulate("POST", "settings", {"issue_after_ms": HOUR})
    order = stage.place()
    stage.run(order)
    stage.run(cancelling(stage, order))
    stage.simulate("POST", f"orders/{stage.order(order).scm_id}/issue")
    for part in ("worker", "relay", "ingress", "producer"):
        stage.start(part)

    assert stage.finish() == []
    assert stage.order(order).status is OrderStatus.REVIEW


@pytest.mark.slow
def test_a_retry_that_a_worker_holds_back_is_worked_off_before_the_world_is_checked(
    stage: Stage,
) -> None:
    order = stage.place()
    for part in ("worker", "relay", "ingress", "producer"):
        stage.start(part)
    stage.until_well()
    delay_for_an_hour(stage.vhost, order.id)
    until(lambda: stage.ear.waiting()["certline.order.DQ"] == 0, 60)

    assert stage.finish() == []


def sees_what_is_wrong_in_the_tables(stage: Stage, world: World) -> None:
    for spoil, sentence in SPOILED:
        found = spoiled(stage, world, spoil)
        assert any(sentence in fault for fault in found), f"{spoil.__name__}: {found}"


def sees_what_is_wrong_elsewhere(stage: Stage, world: World) -> None:
    (record, *others), heard = world.at_scm, world.heard
    stranger = record | {"sslId": 1}
    worlds = {
        "one too many": World(world.expected, [*world.at_scm, stranger], heard),
        "SCM has no order": World(world.expected, others, heard),
        "was asked for 1 times and placed 0 times": World(
            Expected([*world.expected.names, "lost.example"]), world.at_scm, heard
        ),
        "nobody heard it": World(world.expected, world.at_scm, heard[1:]),
        "no row of ours has it": World(world.expected, world.at_scm, [*heard, new_id()]),
        "1 messages are left": World(world.expected, world.at_scm, heard, {"certline.order": 1}),
        "2 worker threads": World(
            world.expected, world.at_scm, heard, {}, {"worker": "2 worker threads"}
        ),
        "0 dead letters wait for a person, not 1": World(
            Expected(world.expected.names, letters=1), world.at_scm, heard
        ),
        "SCM replaced": World(world.expected, [record | {"replacements": 1}, *others], heard),
    }
    for sentence, other in worlds.items():
        with stage.plant.database.transaction() as db:
            found = faults_of(db, other, stage.plant.vault)
        assert any(sentence in fault for fault in found), f"{sentence}: {found}"


def spoiled(stage: Stage, world: World, spoil: Callable[[Session], None]) -> list[str]:
    """Return the faults found after `spoil`, whose changes are rolled back."""
    with Session(stage.plant.database.engine) as db:
        spoil(db)
        db.flush()
        db.expire_all()
        found = faults_of(db, world, stage.plant.vault)
        db.rollback()
        return found
