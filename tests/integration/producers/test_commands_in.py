"""Test that the example of docs/commands-in.md is accepted as printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from certline.models import CommandType, Database
from certline.models.commands.payloads import PUBLIC
from tests.integration.producers.senders import a_command, empty, letters, taking

PAGE = Path(__file__).parents[3] / "docs" / "commands-in.md"


@pytest.fixture
def example() -> str:
    """Return the first program on the page."""
    [program, _raw] = re.findall(
        r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    return str(program)


def test_the_example_orders_a_certificate(database: Database, vhost: str, example: str) -> None:
    empty(database.url, vhost)

    subprocess.run(
        [sys.executable, "-c", example],
        env=os.environ | {"AMQP_URL": vhost},
        check=True,
        timeout=60,
    )

    with taking(database, vhost):
        command = a_command(database)
    assert (command.type, command.source) == (CommandType.ORDER, "//shop.example/orders")
    assert command.payload["common_name"] == "www.nordhafen.example"
    assert letters(database) == []


def test_the_page_names_every_command_that_may_be_sent() -> None:
    names = re.search(r"NAME is one of (.+?)\.", PAGE.read_text())

    assert names is not None
    assert re.findall(r"`(\w+)`", names[1]) == list(PUBLIC)
