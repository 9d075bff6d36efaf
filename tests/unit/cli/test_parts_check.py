"""Tests of `certline doctor` on heartbeats and queues: what is a fault, and what to do about it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from certline.cli.checks.parts import judge_parts
from certline.cli.checks.servers import judge_nodes, judge_queues
from certline.models import Heartbeat, Queue
from certline.producers.messaging.nodes import NodeState
from certline.producers.messaging.queues import QueueState

QUEUES = [queue.value for queue in Queue]


def a_part(part: str, **changes: Any) -> Heartbeat:
    usual = {
        "host": "ada",
        "pid": 7,
        "version": "0.1.0",
        "queues": QUEUES if part in ("worker", "up") else [],
        "keys": ["abc"],
        "fault": None,
        "since": datetime(2026, 11, 27, 12, tzinfo=UTC),
        "seen_at": datetime(2026, 11, 27, 13, tzinfo=UTC),
    }
    return Heartbeat(part=part, **(usual | changes))


ALL = [a_part(part) for part in ("worker", "relay", "ingress", "producer")]


def test_a_complete_line_is_well() -> None:
    found = judge_parts(ALL, [], waits=True, over_rabbitmq=True)

    assert found.ok
    assert found.text == "1 worker, 1 relay, 1 ingress, 1 producer, of version 0.1.0"
    assert "worker on ada (pid 7), version 0.1.0, key abc, all queues" in found.details[0]


@pytest.mark.parametrize("gone", range(4))
def test_each_part_that_is_missing_is_a_fault_even_without_work(gone: int) -> None:
    rest = [part for number, part in enumerate(ALL) if number != gone]

    found = judge_parts(rest, [], waits=False, over_rabbitmq=True)

    assert not found.ok
    assert found.text == f"not running: {ALL[gone].part}"
    assert found.advice == f"certline run {ALL[gone].part}"


def test_an_embedded_line_may_rest_while_no_work_waits() -> None:
    resting = judge_parts([], [], waits=False, over_rabbitmq=False)
    waiting = judge_parts([], [], waits=True, over_rabbitmq=False)
    killed = judge_parts([], [a_part("up")], waits=False, over_rabbitmq=False)
    running = judge_parts([a_part("up")], [], waits=True, over_rabbitmq=False)

    assert (resting.ok, waiting.ok, killed.ok, running.ok) == (True, False, False, True)
    assert resting.advice == waiting.advice == "certline up"
    assert "no longer seen: up on ada (pid 7)" in killed.text


def test_a_stale_part_is_a_fault_while_work_waits() -> None:
    stale = [a_part("worker", pid=8)]

    assert not judge_parts(ALL, stale, waits=True, over_rabbitmq=True).ok
    calm = judge_parts(ALL, stale, waits=False, over_rabbitmq=True)
    assert calm.ok
    assert "worker on ada (pid 8), last seen at 2026-11-27 13:00 UTC" in calm.details


def test_a_queue_that_no_worker_takes_is_named() -> None:
    narrow = [a_part("worker", queues=QUEUES[1:]), *ALL[1:]]

    found = judge_parts(narrow, [], waits=False, over_rabbitmq=True)

    assert (found.ok, found.text) == (False, "no worker takes certline.order")
    assert found.advice == "certline run worker --queues order"


def test_the_queue_of_hooks_needs_a_worker_only_where_there_are_hooks() -> None:
    hookless = [queue for queue in QUEUES if queue != "certline.hook"]
    usual = [a_part("worker", queues=hookless), *ALL[1:]]

    assert judge_parts(usual, [], waits=False, over_rabbitmq=True, unused={"certline.hook"}).ok
    with_hooks = judge_parts(usual, [], waits=False, over_rabbitmq=True)
    assert (with_hooks.ok, with_hooks.text) == (False, "no worker takes certline.hook")


def test_other_keys_a_fault_and_other_versions_are_told() -> None:
    sick = judge_parts([*ALL, a_part("worker", fault="why")], [], waits=False, over_rabbitmq=True)
    keys = judge_parts([*ALL, a_part("worker", keys=["x"])], [], waits=False, over_rabbitmq=True)
    new = judge_parts([*ALL, a_part("worker", version="0.2")], [], waits=False, over_rabbitmq=True)

    assert (sick.ok, sick.text) == (False, "worker on ada (pid 7): why")
    assert (keys.ok, keys.text) == (False, "they encrypt with different keys: abc, x")
    assert new.ok
    assert "of different versions: 0.1.0, 0.2" in new.text


def test_queues_without_a_consumer_or_missing_are_faults() -> None:
    well = [QueueState(name, True, 3, 2) for name in (*QUEUES, "certline.ingress")]
    idle = [QueueState("certline.order", True, 1), *well[1:]]
    wiped = [QueueState("certline.order", False), *well[1:]]
    hookless = [each for each in well if each.name != "certline.hook"]
    unused = judge_queues([*hookless, QueueState("certline.hook", True)])
    waiting = judge_queues([*hookless, QueueState("certline.hook", True, 1)])

    assert judge_queues(well).ok
    assert "nobody takes messages from certline.order (1 waiting)" in judge_queues(idle).text
    assert judge_queues(idle).advice == "certline run worker"
    assert judge_queues(wiped).text == "missing at RabbitMQ: certline.order"
    assert not judge_queues(wiped).ok
    assert unused.ok
    assert "each with a consumer, but for certline.hook" in unused.text
    assert not waiting.ok


def test_an_alarm_is_a_fault_and_a_node_that_is_away_is_told() -> None:
    there, away = NodeState("amqp://one"), NodeState("amqp://two", fault="does not answer: refused")
    blocked = NodeState("amqp://one", alarm="low on memory")

    well = judge_nodes([there, there], quorum=True)
    one_less = judge_nodes([there, away], quorum=True)
    alarmed = judge_nodes([blocked, away], quorum=True)

    assert (well.ok, well.advice) == (True, None)
    assert one_less.ok
    assert one_less.text == "1 of 2 nodes answer: amqp://one;amqp://two"
    assert one_less.details == ("amqp://two does not answer: refused",)
    assert not alarmed.ok
    assert "an alarm blocks it (low on memory)" in alarmed.text


def test_classic_queues_on_several_nodes_are_told() -> None:
    nodes = [NodeState("amqp://one"), NodeState("amqp://two")]

    assert "CERTLINE_QUEUE_TYPE is not quorum" in judge_nodes(nodes, quorum=False).text
    assert judge_nodes(nodes[:1], quorum=False).text == "amqp://one"
