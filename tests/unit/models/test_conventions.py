"""Tests of conventions for every step, checked over the registry."""

import inspect
from typing import Any

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker

from certline.models import CommandType, Database
from certline.models.commands.kinds import KINDS, ONE_AT_A_TIME, CommandKind
from certline.models.settings import Settings
from certline.models.vault import Vault
from certline.workers.app import STEPS, declare
from certline.workers.process.middleware import middleware
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.messages import RefusedMessageError
from certline.workers.runtime.step import Step, review_subject

steps = pytest.mark.parametrize("step", STEPS, ids=lambda step: step.type.value)


def actors() -> dict[str, dramatiq.Actor[..., object]]:
    """Return the actors, as a worker process declares them."""
    broker = StubBroker(middleware=middleware())
    line = WorkerContext(
        Database("postgresql://nowhere.invalid"), Vault("A" * 43 + "="), Settings(database_url=None)
    )
    declare(broker, line)
    return dict(broker.actors)


def test_every_type_of_command_is_in_the_registry() -> None:
    assert set(KINDS) == set(CommandType)


def test_every_kind_of_command_has_exactly_one_step() -> None:
    assert sorted(step.type for step in STEPS) == sorted(KINDS)


def test_every_kind_of_command_has_a_payload_of_its_own() -> None:
    assert len({kind.payload for kind in KINDS.values()}) == len(KINDS)


def test_kinds_that_share_a_queue_have_the_same_priority() -> None:
    pairs = {(kind.queue, kind.priority) for kind in KINDS.values()}

    assert len(pairs) == len({kind.queue for kind in KINDS.values()})


@steps
def test_a_step_says_in_a_sentence_what_it_does(step: Step[Any]) -> None:
    sentence = inspect.getdoc(step.work)

    assert sentence is not None
    assert sentence.endswith(".")


@steps
def test_a_steps_actor_listens_on_its_queue_and_refuses_what_names_no_command(
    step: Step[Any],
) -> None:
    actor = actors()[step.type.value]

    assert actor.queue_name == step.queue == KINDS[step.type].queue
    assert actor.priority == KINDS[step.type].priority
    assert actor.fn.__doc__ == step.work.__doc__
    with pytest.raises(RefusedMessageError):
        actor.fn(command_id="seven")


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_a_payload_refuses_what_it_does_not_know_and_says_what_it_is(kind: CommandKind) -> None:
    assert kind.payload.__doc__
    assert kind.payload.model_config["extra"] == "forbid"


def test_a_step_of_which_an_order_has_one_at_a_time_does_not_leave_the_order_behind() -> None:
    # The route of a NOTIFY gets another one from the sweep.
    steps_of_orders = set(ONE_AT_A_TIME) - {CommandType.NOTIFY}

    assert {step.type for step in STEPS if step.on_abandoned is review_subject} == steps_of_orders
