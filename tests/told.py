"""Every event that a test has the line tell is as it is documented."""

from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import yaml
from jsonschema import Draft7Validator

from certline.models.events.envelope import problems_of_event
from certline.models.events.outbox import EVENTS
from tools.asyncapi.examples import EVENTS as EXAMPLES

ASYNCAPI = Path(__file__).parents[1] / "docs" / "asyncapi.yaml"


@cache
def asyncapi() -> dict[str, Any]:
    """The document, as a YAML reader that is not ours reads it."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the quick one where it is to be had
    document: dict[str, Any] = yaml.load(ASYNCAPI.read_text("utf-8"), loader)  # noqa: S506  # safe
    return document


@cache
def reader(name: str) -> Draft7Validator | None:
    """What another system makes of the document to check a message by; None for an unknown one."""
    message = asyncapi()["components"]["messages"].get(name)
    if message is None:
        return None
    return Draft7Validator(message["payload"] | {"components": asyncapi()["components"]})


def faults(name: str, message: dict[str, Any]) -> list[str]:
    """What is not as in the document; `name` is a message's there, such as `events.order.held`."""
    schema = reader(name)
    if schema is None:
        return [f"there is no message {name}"]
    return [f"{error.json_path}: {error.message}" for error in schema.iter_errors(message)]


def told_in(url: str) -> list[dict[str, Any]]:
    """Every event in the outbox of a database; none where it has no such table (any more)."""
    with psycopg.connect(url) as connection:
        if connection.execute("SELECT to_regclass('outbox')").fetchone() == (None,):
            return []
        query = "SELECT body FROM outbox WHERE exchange = %s ORDER BY id"
        return [body for (body,) in connection.execute(query, [EVENTS])]


def wrong_in(url: str) -> list[str]:
    """What is not as documented among the events of a database."""
    return [
        f"{event.get('type')}: {problem}"
        for event in told_in(url)
        for problem in [
            *problems_of_event(event),
            *faults(f"events.{event.get('type')}", event),
        ]
    ]


def some(kind: str) -> dict[str, Any]:
    """What an event of this type might say, for a test that is about its way only."""
    return EXAMPLES[kind]
