"""Fault tests of the queues: their declaration, and the deletion of one in use."""

from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit

import psutil  # type: ignore[import-untyped]
import pytest
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.common import dq_name, xq_name
from pika.exceptions import ChannelClosedByBroker

from certline.workers.process.broker import HardenedBroker, connection_url
from tests.faults.broker.stock_or_ours import Kind, Left, Stage, channel_to
from tests.servers import RabbitServer


def test_dead_letters_have_a_time_to_live_on_stock_and_none_on_ours(
    stage_of: Callable[[Kind], Stage],
) -> None:
    stock, ours = stage_of(Kind.STOCK), stage_of(Kind.OURS)

    assert "x-message-ttl" in declared_otherwise(stock.url, xq_name(stock.queue))
    assert declared_otherwise(ours.url, xq_name(ours.queue)) == ""


@pytest.mark.parametrize(("kind", "arrives"), [(Kind.STOCK, False), (Kind.OURS, True)])
def test_a_message_to_a_deleted_queue_vanishes_on_stock_and_is_there_on_ours(
    vhost: str, kind: Kind, arrives: bool
) -> None:
    url = connection_url(vhost)
    as_it_comes = RabbitmqBroker(url=url)  # without confirms
    with closing(as_it_comes if kind is Kind.STOCK else HardenedBroker(url=[url])) as broker:
        stage = Stage(broker, vhost)
        with channel_to(vhost) as channel:
            channel.queue_delete(stage.queue)

        broker.get_actor("note").send("A")

    with channel_to(vhost) as channel:
        arguments = broker._build_queue_arguments(stage.queue)
        channel.queue_declare(stage.queue, durable=True, arguments=arguments)
    assert len(stage.left(at_least=arrives).waiting) == arrives


@pytest.mark.parametrize(("kind", "connections"), [(Kind.STOCK, 2), (Kind.OURS, 1)])
def test_a_consumer_leaves_an_idle_connection_on_stock_and_none_on_ours(
    stage_of: Callable[[Kind], Stage], kind: Kind, connections: int
) -> None:
    stage = stage_of(kind)
    queue = f"{stage.queue}.unheard"
    stage.broker.declare_queue(queue)  # at RabbitMQ only when it is consumed
    del stage.broker.connection
    port = {urlsplit(stage.url).port or 5672}
    before = connected_to(port)

    with closing(stage.broker.consume(queue)):
        assert connected_to(port) - before == connections


@pytest.mark.slow
def test_quorum_queues_are_taken_by_rabbitmq_and_carry_messages_and_dead_letters(
    vhost: str, rabbitmq: RabbitServer
) -> None:
    with closing(HardenedBroker(url=[connection_url(vhost)], quorum=True)) as broker:
        stage = Stage(broker, vhost)
        name = unquote(urlsplit(vhost).path[1:])
        types = rabbitmq.ctl("list_queues", "--vhost", name, "name", "type").split("\n")
        for queue in (stage.queue, dq_name(stage.queue), xq_name(stage.queue)):
            assert f"{queue}\tquorum" in types
        stage.publish("bad", options=None)
        stage.publish("good")

        with stage.working():
            stage.has_run("good")

    assert stage.left(at_least=1) == Left(dead=["bad"])


def test_dead_letters_of_a_cluster_survive_any_number_of_deliveries(vhost: str) -> None:
    """RabbitMQ 4 has a limit of 20 deliveries unless another one is set, beyond which it drops a dead letter."""
    with closing(HardenedBroker(url=[connection_url(vhost)], quorum=True)) as broker:
        stage = Stage(broker, vhost)

    said = declared_otherwise(vhost, xq_name(stage.queue), {"x-queue-type": "quorum"})
    assert "x-delivery-limit" in said


def test_a_dead_letter_queue_of_an_earlier_version_is_used_as_it_is(vhost: str) -> None:
    earlier = {"x-queue-type": "quorum"}
    with channel_to(vhost) as channel:
        channel.queue_declare(xq_name("task"), durable=True, arguments=earlier)

    with closing(HardenedBroker(url=[connection_url(vhost)], quorum=True)) as broker:
        broker.declare_queue("task", ensure=True)

    assert declared_otherwise(vhost, xq_name("task"), earlier) == ""


def declared_otherwise(
    url: str, queue: str, arguments: Mapping[str, Any] = MappingProxyType({})
) -> str:
    """Return RabbitMQ's refusal to declare this queue so, as a plain classic one by default; "" if it accepts."""
    with channel_to(url) as channel:
        try:
            channel.queue_declare(queue, durable=True, arguments=dict(arguments))
        except ChannelClosedByBroker as refusal:
            return str(refusal.reply_text)
    return ""


def connected_to(ports: Collection[int]) -> int:
    """Count the connections of this process to these ports."""
    return sum(
        each.status == psutil.CONN_ESTABLISHED and each.raddr.port in ports
        for each in psutil.Process().net_connections("tcp")
        if each.raddr
    )
