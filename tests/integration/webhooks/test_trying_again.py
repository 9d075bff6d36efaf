"""Tests of a failed delivery: it is retried under its id, and parked after the last attempt."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from certline.models import Command, CommandStatus
from certline.models.audit.identity import Identity
from certline.models.audit.log import history
from certline.producers.requests.webhooks import retry_deliveries
from certline.workers.steps import webhook as step
from certline.workers.webhooks import receiver as receiver_module
from tests.integration.webhooks.conftest import Post
from tests.integration.webhooks.receivers import AWAY, TAKEN, is_signed, states
from tests.unit.scm.odd_server import SILENCE, OddServer, http


@pytest.mark.parametrize(
    ("answer", "says", "rests"),
    [
        (http("503 Service Unavailable"), "it answered with status 503", True),
        (http("429 Too Many Requests"), "it answered with status 429", True),
        (http("302 Found", headers=("Location: http://127.0.0.1:1/",)), "status 302", False),
        (http("400 Bad Request", b"hunter2"), "it answered with status 400", False),
        (b"", "broke off", True),
        (SILENCE, "did not answer within", True),
    ],
    ids=["503", "429", "302", "400", "closed", "silence"],
)
def test_a_failed_try_is_repeated_under_the_same_id_with_a_signature_of_its_own(
    line: Post, answer: bytes, says: str, rests: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver_module, "WHOLE", 0.5)
    with OddServer([answer, TAKEN]) as receiver:
        added = line.add(receiver.url)
        line.tell()
        line.run()
        [waiting] = line.deliveries()
        assert (waiting.status, waiting.attempts) == (CommandStatus.QUEUED, 1)
        assert says in str(waiting.error)
        assert waiting.not_before > datetime.now(UTC)
        assert (line.hook().failures == 1) is rests
        assert line.run() == 0  # not before its time

        line.let_pass()
        line.run()

    first, second = receiver.seen
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert is_signed(first, added.secret)
    assert is_signed(second, added.secret)
    assert states(line) == [CommandStatus.DONE]
    assert (line.hook().failures, line.hook().resting_until) == (0, None)


def test_a_pause_that_the_receiver_asks_for_is_kept(line: Post) -> None:
    with OddServer([http("429 Too Many Requests", headers=("Retry-After: 3600",))]) as receiver:
        line.add(receiver.url)
        line.tell()
        line.run()

    soon = datetime.now(UTC) + timedelta(minutes=50)
    [delivery] = line.deliveries()
    assert delivery.not_before > soon
    assert (line.hook().resting_until or soon) > soon


def test_after_the_last_try_a_delivery_is_parked_and_no_event_tells_of_it(line: Post) -> None:
    with OddServer([AWAY]) as receiver:
        line.add(receiver.url)
        line.tell()
        for _ in range(step.MOST_TRIES):
            assert line.run() == 1
            line.let_pass()
        assert line.run() == 0
        line.relay.pump()

    [delivery] = line.deliveries()
    assert delivery.status is CommandStatus.REVIEW
    assert delivery.error == "it answered with status 503 (tried 9 times)"
    assert len(receiver.seen) == step.MOST_TRIES == len(step.PAUSES) + 1
    with line.database.transaction() as db:
        logged = [event.type for event in history(db, line.hook().id)]
    assert logged == ["webhook.added", "webhook.parked"]


def test_a_parked_delivery_is_tried_anew_from_its_first_try_on(line: Post) -> None:
    with OddServer([http("404 Not Found"), AWAY, TAKEN]) as receiver:
        line.add(receiver.url)
        line.tell()
        [delivery] = line.deliveries()
        with line.database.transaction() as db:
            db.execute(update(Command).values(attempts=step.MOST_TRIES - 1))
        line.run()
        assert states(line) == [CommandStatus.REVIEW]

        assert retry_deliveries(line.database, [line.hook().id], who=Identity("os:ida")) == 1
        assert retry_deliveries(line.database, [delivery.id], who=Identity("os:ida")) == 0
        line.run()
        assert line.deliveries()[0].attempts == 1
        line.let_pass()
        line.run()

    assert states(line) == [CommandStatus.DONE]
