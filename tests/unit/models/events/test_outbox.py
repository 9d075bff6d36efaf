"""Tests of outbox rows: Dramatiq's message for a worker, a CloudEvent for other systems."""

import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dramatiq
import pytest
from sqlalchemy.orm import Session

from certline.models.commands.kinds import KINDS, PUBLIC
from certline.models.commands.wake_up import emit_wake_up
from certline.models.database.session import WAKE
from certline.models.events.outbox import EVENTS, MOST_TRIES, Outbox, emit_event
from certline.models.states import CommandType, Queue
from tests.support.documented_events import some
from tests.support.unsent_rows import UnsentRows
from tools.asyncapi.examples import EVENTS as EXAMPLES

DRAMATIQS_KEYS = {
    "queue_name",
    "actor_name",
    "args",
    "kwargs",
    "options",
    "message_id",
    "message_timestamp",
}


@pytest.fixture
def db() -> Session:
    """Return a session that never connects to its database, and keeps what is written."""
    return UnsentRows()


def written(db: Session) -> Outbox:
    """Return the one row that was written."""
    assert isinstance(db, UnsentRows)
    [row] = db.rows
    return Outbox(**{name: value for name, value in row.items() if name != "after"})


@pytest.mark.parametrize("kind", KINDS)
def test_a_wake_up_is_dramatiqs_message_and_carries_the_id_only(
    db: Session, kind: CommandType
) -> None:
    emit_wake_up(db, kind, "0190")

    row = written(db)
    assert set(row.body) == DRAMATIQS_KEYS
    assert (row.body["kwargs"], row.body["args"]) == ({"command_id": "0190"}, [])
    assert (row.exchange, row.routing_key) == ("", KINDS[kind].queue)
    message: dramatiq.Message[None] = dramatiq.Message.decode(row.payload)
    assert (message.actor_name, message.queue_name) == (kind, KINDS[kind].queue)
    assert message.message_id == row.event_id


def test_a_wake_up_that_is_due_wakes_the_relay_and_a_later_one_does_not(db: Session) -> None:
    emit_wake_up(db, CommandType.POLL, "0190", after=timedelta(minutes=1))
    assert WAKE not in db.info

    emit_wake_up(db, CommandType.POLL, "0190")
    assert db.info[WAKE] is True


def test_an_event_is_a_cloud_event(db: Session) -> None:
    emit_event(db, some("order.issued"), subject="01J", correlation_id="0190")

    row = written(db)
    event = json.loads(row.payload)
    assert (row.exchange, row.routing_key, row.mandatory) == (EVENTS, "order.issued", False)
    assert event["specversion"] == "1.0"
    assert event["id"] == row.event_id == str(uuid.UUID(event["id"]))
    assert (event["type"], event["source"]) == ("order.issued", "certline")
    assert (event["subject"], event["correlationid"]) == ("01J", "0190")
    assert event["data"] == EXAMPLES["order.issued"]
    assert datetime.now(UTC) - datetime.fromisoformat(event["time"]) < timedelta(minutes=1)


def test_an_event_about_nothing_in_particular_has_no_empty_attributes(db: Session) -> None:
    emit_event(db, some("license.released"), subject=None, correlation_id=None)

    assert {"subject", "correlationid"}.isdisjoint(written(db).body)


def test_every_queue_has_a_kind_of_command_and_is_ours() -> None:
    assert {kind.queue for kind in KINDS.values()} == set(Queue)
    assert all(queue.value.startswith("certline.") for queue in Queue)


def test_the_page_names_the_queue_of_every_command_that_others_may_send() -> None:
    page = (Path(__file__).parents[4] / "docs" / "commands-in.md").read_text()
    _, _, below = page.partition("to a work queue instead: ")
    named = {
        name: queue
        for part in below.partition(". The CloudEvent")[0].split(";")
        for queue, *names in [re.findall(r"`([\w.]+)`", part)]
        for name in names
    }

    assert named == {name: KINDS[CommandType(name)].queue.value for name in PUBLIC}


def test_a_row_that_is_refused_for_good_parks_within_days() -> None:
    waits = [min(300, 2**tries) for tries in range(MOST_TRIES)]

    assert timedelta(minutes=30) < timedelta(seconds=sum(waits)) < timedelta(days=1)
