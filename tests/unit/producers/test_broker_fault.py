"""Tests that an error of RabbitMQ is said in words."""

import socket

import pytest
from pika.exceptions import (
    AMQPConnectionError,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)

from certline.producers.messaging.broker_fault import broker_fault


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ProbableAuthenticationError("403"), "refuses the login"),
        (ProbableAccessDeniedError("530"), "refuses the vhost"),
        (
            AMQPConnectionError(ConnectionRefusedError(111, "Connection refused")),
            "Connection refused",
        ),
        (socket.gaierror(-2, "Name or service not known"), "cannot be found"),
        (TimeoutError(), "timed out"),
        (ValueError("Invalid heartbeat value"), "invalid option"),
        (AMQPConnectionError(), "does not answer"),
    ],
)
def test_an_error_says_what_is_wrong(error: Exception, said: str) -> None:
    assert said in broker_fault(error)
