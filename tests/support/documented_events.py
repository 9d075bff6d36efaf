"""Checks that every event published in a test is as documented."""

from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import yaml
from jsonschema import Draft7Validator

from certline.models.events.base import EventData
from certline.models.events.envelope import EVENT_DATA, problems_of_event
from certline.models.events.outbox import EVENTS
from tools.asyncapi.examples import EVENTS as EXAMPLES

ASYNCAPI = Path(__file__).parents[2] / "docs" / "asyncapi.yaml"


@cache
def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI document as a third-party YAML parser reads it."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is much faster
    document: dict[str, Any] = yaml.load(ASYNCAPI.read_text("utf-8"), loader)  # noqa: S506  # safe
    return document


@cache
def reader(name: str) -> Draft7Validator | None:
    """Return a validator for a message, made from the document alone; None for an unknown name."""
    message = asyncapi()["components"]["messages"].get(name)
    if message is None:
        return None
    return Draft7Validator(message["payload"] | {"components": asyncapi()["components"]})


def faults(name: str, message: dict[str, Any]) -> list[str]:
    """Return the deviations of a message from the document; `name` is its name there: `events.order.held`."""
    schema = reader(name)
    if schema is None:
        return [f"there is no message {name}"]
    return [f"{error.json_path}: {error.message}" for error in schema.iter_errors(message)]


def told_in(url: str) -> list[dict[str, Any]]:
    """Return every event in the outbox of a database, in order; none if it has no such table."""
    with psycopg.connect(url) as connection:
        if connection.execute("SELECT to_regclass('outbox')").fetchone() == (None,):
            return []
        query = "SELECT body FROM outbox WHERE exchange = %s ORDER BY id"
        return [body for (body,) in connection.execute(query, [EVENTS])]


def wrong_in(url: str) -> list[str]:
    """Return the deviations of all events of a database from the documentation."""
    return [
        f"{event.get('type')}: {problem}"
        for event in told_in(url)
        for problem in [
            *problems_of_event(event),
            *faults(f"events.{event.get('type')}", event),
        ]
    ]


def some(kind: str) -> EventData:
    """Return example data of an event of this type, for tests that don't depend on its content."""
    return EVENT_DATA[kind].model_validate(EXAMPLES[kind])
