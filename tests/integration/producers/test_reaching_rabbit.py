"""Tests of a RabbitMQ that refuses: its reason is said in words, and no part of a password is shown."""

import pytest
from pydantic import SecretStr

from certline.models.settings import Settings
from certline.producers.processes import ServerDownError, reach_rabbit


def refusal(url: str) -> str:
    """Return what is said about a URL at which RabbitMQ refuses."""
    with pytest.raises(ServerDownError) as error:
        reach_rabbit(Settings(rabbitmq_url=SecretStr(url)))
    assert "hunter2" not in str(error.value)
    return str(error.value)


def test_a_refusal_is_said_in_words(vhost: str) -> None:
    place = vhost.rpartition("@")[2].removeprefix("amqp://")
    server, _, _ = vhost.rpartition("/")

    assert "refuses the login" in refusal(f"amqp://nobody:hunter2@{place}")
    assert "refuses the vhost" in refusal(f"{server}/no-such-vhost")
    assert "TLS" in refusal(vhost.replace("amqp://", "amqps://"))
