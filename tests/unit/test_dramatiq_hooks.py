"""Tests of the private hooks of Dramatiq 2.2 that our broker overrides: a release that moves one fails them."""

import inspect
import json
import math
from collections.abc import Callable
from importlib import metadata
from typing import Any

import dramatiq
import pytest
from dramatiq.broker import MessageProxy
from dramatiq.brokers import rabbitmq
from dramatiq.brokers.rabbitmq import RabbitmqBroker, _RabbitmqConsumer
from dramatiq.common import current_millis
from dramatiq.middleware import Retries

from certline.workers.process.broker import HardenedBroker, HardenedConsumer, cleanse
from certline.workers.process.middleware.retries import LONGEST_BACKOFF, SafeRetries

QUEUE = "certline.order"
HOOKS = ["_build_queue_arguments", "_declare_dq_queue", "_declare_xq_queue"]


def a_message(**named: Any) -> dramatiq.Message[None]:
    """Return a message as read from the wire."""
    usual = {
        "queue_name": QUEUE,
        "actor_name": "order",
        "args": [],
        "kwargs": {"command_id": "0190"},
        "options": {},
        "message_id": "0190",
        "message_timestamp": 1764000000000,
    }
    return dramatiq.Message.decode(json.dumps(usual | named).encode())


def test_dramatiq_is_of_the_release_that_was_hardened() -> None:
    assert metadata.version("dramatiq").startswith("2.2.")


@pytest.mark.parametrize("hook", HOOKS)
def test_a_queues_hook_is_where_dramatiq_calls_it(hook: str) -> None:
    assert list(inspect.signature(getattr(RabbitmqBroker, hook)).parameters) == [
        "self",
        "queue_name",
    ]
    assert hook in vars(HardenedBroker)
    callers = [RabbitmqBroker._ensure_queue, RabbitmqBroker._declare_queue]
    assert any(f"self.{hook}(" in inspect.getsource(caller) for caller in callers)


def test_dramatiq_takes_the_consumer_that_the_broker_names() -> None:
    assert issubclass(HardenedConsumer, _RabbitmqConsumer)
    assert isinstance(vars(RabbitmqBroker)["consumer_class"], property)
    assert "self.consumer_class(" in inspect.getsource(RabbitmqBroker.consume)


def test_dramatiqs_consumer_settles_by_the_tags_it_knows() -> None:
    assert "known_tags" in inspect.getsource(_RabbitmqConsumer.__init__)
    for settle in (_RabbitmqConsumer.ack, _RabbitmqConsumer.nack):
        assert list(inspect.signature(settle).parameters) == ["self", "message"]
        assert "known_tags" in inspect.getsource(settle)


def test_a_consumer_that_rabbitmq_cancels_stops_its_iteration() -> None:
    source = inspect.getsource(_RabbitmqConsumer.__next__)

    assert "next(self.iterator)" in source
    assert "queue_name" in inspect.signature(_RabbitmqConsumer.__init__).parameters
    assert "self.queue_name" in inspect.getsource(_RabbitmqConsumer.__init__)


def test_queues_to_be_declared_again_wait_in_a_set() -> None:
    broker = HardenedBroker(url=["amqp://127.0.0.1:1"])

    broker.declare_queue(QUEUE)

    assert broker.queues_pending == {QUEUE}
    assert "self.queues_pending" in inspect.getsource(RabbitmqBroker._ensure_queue)


def test_a_proxy_keeps_its_message_under_the_name_that_is_cleansed() -> None:
    message = a_message()

    assert MessageProxy(message)._message is message


def test_dramatiqs_retries_have_the_hook_that_is_made_safe() -> None:
    ours, theirs = (
        list(inspect.signature(kind.after_process_message).parameters)
        for kind in (SafeRetries, Retries)
    )

    assert ours == theirs


def test_confirms_are_on() -> None:
    assert HardenedBroker(url=["amqp://127.0.0.1:1"]).confirm_delivery
    assert "channel.confirm_delivery()" in inspect.getsource(rabbitmq)


def test_dead_letters_stay_and_delays_are_no_fault() -> None:
    declared: dict[str, dict[str, Any]] = {}

    class Recorder:
        def queue_declare(self, *, queue: str, durable: bool, arguments: dict[str, Any]) -> None:
            assert durable
            declared[queue] = arguments

    class Offline(HardenedBroker):
        channel = Recorder()

    for quorum in (False, True):
        Offline(url=["amqp://127.0.0.1:1"], quorum=quorum).declare_queue(QUEUE, ensure=True)

        assert "x-message-ttl" not in declared[f"{QUEUE}.XQ"]
        assert declared[QUEUE]["x-dead-letter-routing-key"] == f"{QUEUE}.XQ"
        assert declared[f"{QUEUE}.DQ"].get("x-delivery-limit") == (1_000_000 if quorum else None)
        assert ("x-queue-type" in declared[QUEUE]) is quorum


def test_a_good_message_passes_as_it_is() -> None:
    message = a_message()

    assert cleanse(message, QUEUE) is None
    assert message == a_message()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("options", None),
        ("options", []),
        ("options", "abc"),
        ("actor_name", ["order"]),
        ("actor_name", None),
        ("actor_name", {}),
        ("message_id", 7),
        ("message_id", None),
        ("message_timestamp", "now"),
        ("message_timestamp", None),
        ("message_timestamp", True),
        ("message_timestamp", math.nan),
        ("message_timestamp", math.inf),
        ("message_timestamp", -1),
        ("kwargs", None),
        ("kwargs", ["0190"]),
    ],
)
def test_a_malformed_message_is_a_dead_letter(field: str, value: object) -> None:
    fault = cleanse(a_message(**{field: value}), QUEUE)

    assert fault is not None
    assert field in fault


@pytest.mark.parametrize(
    "options",
    [
        {"pipe_target": {"actor_name": "revoke"}},
        {"on_success": "revoke"},
        {"on_failure": "revoke"},
        {"max_retries": "abc"},
        {"max_retries": 0},
        {"retries": "9"},
        {"retries": True},
        {"retries": -(10**9)},
        {"throws": "X"},
        {"traceback": "secret"},
        {"min_backoff": 10**9},
        {"eta": 10**15},
        {"eta": "soon"},
        {"requeue_timestamp": None},
    ],
)
def test_an_option_that_the_wire_may_not_set_is_dropped(options: dict[str, Any]) -> None:
    message = a_message(options=options)

    assert cleanse(message, QUEUE) is None
    assert message.options == {}


def test_dramatiqs_own_options_stay() -> None:
    now = current_millis()
    options = {"retries": 2, "eta": now + 5_000, "requeue_timestamp": now}
    message = a_message(options=options)

    assert cleanse(message, f"{QUEUE}.DQ") is None
    assert message.options == options


@pytest.mark.parametrize("off", [-300_000, 0, 300_000])
@pytest.mark.parametrize(("delay", "waits"), [(0, 0), (5_000, 5_000), (10**9, LONGEST_BACKOFF)])
def test_a_delay_is_as_long_by_the_clock_of_any_host(off: int, delay: int, waits: int) -> None:
    before = current_millis()
    there = before + off
    message = a_message(options={"eta": there + delay, "requeue_timestamp": there})

    assert cleanse(message, f"{QUEUE}.DQ") is None

    assert before + waits <= message.options["eta"] <= current_millis() + waits


@pytest.mark.parametrize("eta", [math.inf, math.nan, -1, True, "soon"])
def test_a_delay_that_is_no_time_is_dropped_from_a_delayed_message(eta: object) -> None:
    message = a_message(options={"eta": eta})

    assert cleanse(message, f"{QUEUE}.DQ") is None
    assert message.options == {}


@pytest.mark.parametrize("name", ["certline.bulk", "elsewhere", None, 7])
def test_a_message_belongs_to_the_queue_that_it_came_from(name: object) -> None:
    message = a_message(queue_name=name)

    assert cleanse(message, QUEUE) is None
    assert message.queue_name == QUEUE


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: b"not JSON",
        lambda _: b"[]",
        lambda fields: json.dumps(fields | {"colour": "blue"}).encode(),
        lambda fields: json.dumps(fields | {"args": None}).encode(),
        lambda fields: json.dumps({k: v for k, v in fields.items() if k != "options"}).encode(),
    ],
)
def test_dramatiq_itself_refuses_what_is_no_message(
    spoil: Callable[[dict[str, Any]], bytes],
) -> None:
    with pytest.raises(dramatiq.errors.DecodeError):
        dramatiq.Message.decode(spoil(a_message().asdict()))
