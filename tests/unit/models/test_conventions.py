"""Tests of conventions for every step, checked over the registry."""

import inspect

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker

from certline.models import CommandType, Database
from certline.models.commands.payloads import PAYLOADS
from certline.models.events.outbox import QUEUE_OF
from certline.models.settings import Settings
from certline.models.vault import Vault
from certline.workers.app import STEPS, declare
from certline.workers.process.middleware import middleware
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.messages import RefusedMessageError
from certline.workers.runtime.step import Step

steps = pytest.mark.parametrize("step", STEPS, ids=lambda step: step.type.value)


def actors() -> dict[str, dramatiq.Actor[..., object]]:
    """Return the actors, as a worker process declares them."""
    broker = StubBroker(middleware=middleware())
    line = WorkerContext(
        Database("postgresql://nowhere.invalid"), Vault("A" * 43 + "="), Settings(database_url=None)
    )
    declare(broker, line)
    return dict(broker.actors)


def test_every_type_of_command_has_exactly_one_step() -> None:
    assert sorted(step.type for step in STEPS) == sorted(CommandType)


@steps
def test_a_step_has_the_queue_of_its_class_and_a_typed_payload(step: Step) -> None:
    assert step.queue is QUEUE_OF[step.type]
    assert step.type in PAYLOADS


@steps
def test_a_step_says_in_a_sentence_what_it_does(step: Step) -> None:
    sentence = inspect.getdoc(step.work)

    assert sentence is not None
    assert sentence.endswith(".")


@steps
def test_a_steps_actor_listens_on_its_queue_and_refuses_what_names_no_command(step: Step) -> None:
    actor = actors()[step.type.value]

    assert actor.queue_name == step.queue
    assert actor.fn.__doc__ == step.work.__doc__
    with pytest.raises(RefusedMessageError):
        actor.fn(command_id="seven")


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_a_payload_refuses_what_it_does_not_know_and_says_what_it_is(payload: type) -> None:
    assert payload.__doc__
    assert payload.model_config["extra"] == "forbid"  # type: ignore[attr-defined]
