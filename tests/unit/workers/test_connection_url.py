"""Tests of RabbitMQ's connection URL: our timeouts, unless the URL sets its own."""

from urllib.parse import parse_qs, urlsplit

import pika
import pytest
from pydantic import SecretStr

from certline.models.settings import Settings
from certline.workers.process.broker import (
    CONNECTION,
    HardenedBroker,
    connection_url,
    connection_urls,
    make_broker,
)

OURS = parse_qs(CONNECTION)


@pytest.mark.parametrize("url", ["amqp://mq", "amqp://mq:5672/%2F", " amqps://u:p@mq/line "])
def test_an_address_without_options_gets_ours(url: str) -> None:
    assert parse_qs(urlsplit(connection_url(url)).query) == OURS


@pytest.mark.parametrize("own", ["heartbeat=10", "heartbeat=10&connection_attempts=9", "locale=de"])
def test_an_option_of_ones_own_takes_the_place_of_ours_and_of_no_other(own: str) -> None:
    query = parse_qs(urlsplit(connection_url(f"amqps://ida@mq/%2F?{own}")).query)

    assert query == OURS | parse_qs(own)


def test_the_broker_knows_each_node_of_a_cluster_by_its_own_password() -> None:
    urls = SecretStr("amqp://ida:semi;colon@mq1/;amqp://otto:plain@mq2/?heartbeat=10")

    broker = make_broker(Settings(rabbitmq_url=urls))

    assert isinstance(broker, HardenedBroker)
    nodes = broker.parameters
    assert all(isinstance(node, pika.URLParameters) for node in nodes)
    assert {node.credentials.password for node in nodes} == {"semi;colon", "plain"}
    assert [node.heartbeat for node in nodes if node.host == "mq2"] == [10]


def test_each_connection_of_a_cluster_begins_with_another_node() -> None:
    broker = make_broker(Settings(rabbitmq_url=SecretStr("amqp://mq1;amqp://mq2;amqp://mq3")))
    assert isinstance(broker, HardenedBroker)

    tried = [[node.host for node in broker.parameters] for _ in range(3)]

    assert {order[0] for order in tried} == {"mq1", "mq2", "mq3"}
    assert all(sorted(order) == ["mq1", "mq2", "mq3"] for order in tried)


def test_a_node_that_is_gone_is_given_up_sooner_if_there_are_others() -> None:
    one, several = connection_urls(["amqp://mq1"]), connection_urls(["amqp://mq1", "amqp://mq2"])

    assert [pika.URLParameters(url).tcp_options for url in one] == [None]
    for node in map(pika.URLParameters, several):
        options = node.tcp_options or {}
        assert options["TCP_USER_TIMEOUT"] < 10_000  # milliseconds
        idle = options["TCP_KEEPIDLE"] + options["TCP_KEEPINTVL"] * options["TCP_KEEPCNT"]
        assert idle < 10
        assert node.socket_timeout + node.stack_timeout < 10
