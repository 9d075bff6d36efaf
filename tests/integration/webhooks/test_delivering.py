"""An event goes to each webhook that wants it: signed, once where all goes well, and never lost."""

import json
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from models import Command, CommandStatus, Outbox, WebhookStatus
from models.event import history
from models.outbox import EVENTS, MOST_TRIES, emit_event, send_last_event_again
from models.webhook import hand_to_webhooks
from producers.relay import Relay
from producers.sweep import sweep
from producers.webhooks import enable_webhook, remove_webhook, retry_deliveries
from producers.wire import RowRefusedError
from tests.integration.webhooks.conftest import Post
from tests.told import faults, some
from tests.unit.scm.odd_server import SILENCE, OddServer, Seen, http
from workers import deliver as step
from workers import posting
from workers.signing import new_secret

PAGE = Path(__file__).parents[3] / "docs" / "webhooks.md"
TAKEN = http("204 No Content")
AWAY = http("503 Service Unavailable")
ID = "0190aaaa-0000-7000-8000-000000000000"


def is_signed(seen: Seen, secret: str) -> bool:
    """Whether a receiver believes it that does as docs/webhooks.md says, and nobody else would."""
    block = re.search(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert block is not None
    page: dict[str, Any] = {}
    exec(block[1], page)  # noqa: S102  # our own page
    believes = page["is_from_certline"]
    assert not believes(seen.headers, seen.body + b" ", secret)
    assert not believes(seen.headers, seen.body, new_secret())
    assert not believes(seen.headers | {"webhook-timestamp": "1614265330"}, seen.body, secret)
    return bool(believes(seen.headers, seen.body, secret))


def states(line: Post) -> list[CommandStatus]:
    """How the deliveries stand."""
    return [delivery.status for delivery in line.deliveries()]


def test_an_event_is_posted_as_the_cloudevent_that_rabbitmq_has_and_signed(line: Post) -> None:
    with OddServer([TAKEN]) as receiver:
        added = line.add(f"{receiver.url}/certline", "order.*")
        line.tell("order.held", correlation_id=ID)
        assert line.run() == 1

    [seen] = receiver.seen
    event = json.loads(seen.body)
    with line.database.transaction() as db:
        row = db.scalars(select(Outbox).where(Outbox.exchange == EVENTS)).one()
    assert seen.target == "POST /certline"
    assert seen.headers["content-type"] == "application/cloudevents+json"
    assert seen.body == row.payload
    assert faults("events.order.held", event) == []
    assert seen.headers["webhook-id"] == event["id"]
    assert abs(time.time() - int(seen.headers["webhook-timestamp"])) < 300
    assert is_signed(seen, added.secret)
    [delivery] = line.deliveries()
    assert delivery.status is CommandStatus.DONE
    assert delivery.result == {"outcome": "taken", "http_status": 204}
    assert (delivery.subject, delivery.correlation_id) == (added.webhook.id, ID)


def test_each_webhook_gets_what_it_wants_and_nothing_else(line: Post) -> None:
    with OddServer([TAKEN]) as shop, OddServer([TAKEN]) as bank:
        line.add(shop.url, "certificate.stored", "license.*")
        line.add(bank.url, "*.stored")
        for kind in ("certificate.stored", "license.exhausted", "order.held"):
            line.tell(kind)
        line.run()

        heard = [[seen.json()["type"] for seen in each.seen] for each in (shop, bank)]  # type: ignore[index]

    assert heard == [["certificate.stored", "license.exhausted"], ["certificate.stored"]]


def test_a_webhook_hears_of_what_happens_after_it_was_added(line: Post) -> None:
    with line.database.transaction() as db:
        emit_event(db, "order.held", some("order.held"), subject="01J", correlation_id=None)
    line.add("http://127.0.0.1:1/")

    line.relay.pump()

    assert line.deliveries() == []


def test_without_webhooks_an_event_makes_no_delivery(line: Post) -> None:
    line.tell()

    assert line.deliveries() == []


def test_an_event_that_is_told_again_is_not_posted_again(line: Post) -> None:
    with OddServer([TAKEN]) as receiver:
        line.add(receiver.url)
        line.tell(correlation_id=ID)
        line.run()
        with line.database.transaction() as db:
            assert send_last_event_again(db, ID) == "order.held"

        line.relay.pump()
        line.run()

    assert len(receiver.seen) == len(line.deliveries()) == 1


def test_a_relay_that_dies_before_its_commit_has_handed_over_nothing_and_the_next_one_does_once(
    line: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.add("http://127.0.0.1:1/")

    def hand_over_and_die(*given: Any) -> None:
        hand_to_webhooks(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("producers.relay.hand_to_webhooks", hand_over_and_die)
        with pytest.raises(KeyboardInterrupt):
            line.tell()
    assert line.deliveries() == []

    line.relay.pump()

    assert len(line.deliveries()) == 1


def test_an_event_that_rabbitmq_refuses_for_good_still_goes_to_webhooks(
    line: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing:
        def publish(self, row: Outbox) -> None:
            raise RowRefusedError(row.routing_key)

    line.add("http://127.0.0.1:1/")
    relay = Relay(line.database, Refusing())  # type: ignore[arg-type]  # it needs no more
    monkeypatch.setattr(line, "relay", relay)
    line.tell()
    assert line.deliveries() == []

    with line.database.transaction() as db:
        db.execute(update(Outbox).values(attempts=MOST_TRIES - 1, not_before=Outbox.created_at))
    relay.pump()

    assert len(line.deliveries()) == 1


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
    monkeypatch.setattr(posting, "WHOLE", 0.5)
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

        assert retry_deliveries(line.database, [line.hook().id], who="ida") == 1
        assert retry_deliveries(line.database, [delivery.id], who="ida") == 0
        line.run()
        assert line.deliveries()[0].attempts == 1
        line.let_pass()
        line.run()

    assert states(line) == [CommandStatus.DONE]


def test_a_receiver_that_is_away_is_tried_with_one_delivery_at_a_time(line: Post) -> None:
    with OddServer([AWAY]) as receiver:
        line.add(receiver.url)
        for _ in range(10):
            line.tell()
        line.run()
        assert len(receiver.seen) == 1  # the others saw that it rests
        assert sorted(delivery.attempts for delivery in line.deliveries()) == [0] * 9 + [1]

        line.let_pass()
        line.run()
        assert len(receiver.seen) == 2
        assert line.hook().failures == 2


def test_a_receiver_that_is_back_gets_everything(line: Post) -> None:
    with OddServer([AWAY, TAKEN]) as receiver:
        line.add(receiver.url)
        for _ in range(4):
            line.tell()
        line.run()
        line.let_pass()
        line.run()

    ids = {seen.headers["webhook-id"] for seen in receiver.seen}
    assert states(line) == [CommandStatus.DONE] * 4
    assert len(ids) == 4


def test_what_waits_behind_a_receiver_that_is_away_for_two_days_is_parked_too(line: Post) -> None:
    with OddServer([AWAY]) as receiver:
        line.add(receiver.url)
        line.tell()
        line.tell()
        line.run()
        with line.database.transaction() as db:
            db.execute(update(Command).values(started_at=Command.started_at - step.LONGEST))
            db.execute(update(Command).values(not_before=Command.created_at))
        line.run()

    assert states(line) == [CommandStatus.REVIEW] * 2
    assert "has failed for 48 h" in str([delivery.error for delivery in line.deliveries()])


def test_a_receiver_that_is_gone_is_asked_no_more_until_a_person_says_so(line: Post) -> None:
    with OddServer([http("410 Gone"), TAKEN]) as receiver:
        line.add(receiver.url)
        line.tell()
        line.tell()
        line.run()
        line.tell()
        assert len(receiver.seen) == 1
        assert states(line) == [CommandStatus.REVIEW] * 2  # and none for the third event
        assert line.hook().status is WebhookStatus.DISABLED
        assert "status 410" in str(line.hook().status_reason)

        assert enable_webhook(line.database, line.hook().id, who="ida")
        assert not enable_webhook(line.database, line.hook().id, who="ida")
        assert retry_deliveries(line.database, [line.hook().id], who="ida") == 2
        line.run()

    assert states(line) == [CommandStatus.DONE] * 2


def test_what_is_on_its_way_to_a_webhook_that_is_removed_comes_to_nothing(line: Post) -> None:
    with OddServer([TAKEN]) as receiver:
        hook = line.add(receiver.url).webhook
        line.tell()
        assert remove_webhook(line.database, hook.id, who="ida") == 1
        assert line.run() == 0
        line.tell()

    assert receiver.seen == []
    assert states(line) == [CommandStatus.FAILED]


def test_a_name_that_has_become_private_is_refused_at_each_delivery(
    line: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OddServer([TAKEN]) as receiver:
        port = receiver.url.rpartition(":")[2]
        found = ["93.184.216.34"]
        entry = (2, 1, 6, "")
        with monkeypatch.context() as patched:
            patched.setattr(
                "workers.targets.socket.getaddrinfo", lambda *_, **__: [(*entry, (found[0], 443))]
            )
            line.add(f"https://hooks.example:{port}/", allow_private=False)
            line.tell()
            found[0] = "127.0.0.1"
            line.run()
        assert receiver.connections == 0

    [delivery] = line.deliveries()
    assert "127.0.0.1, which is no public address" in str(delivery.error)
    assert delivery.status is CommandStatus.QUEUED


def test_deliveries_that_came_about_are_forgotten_after_a_week(line: Post) -> None:
    with OddServer([TAKEN, TAKEN, http("404 Not Found")]) as receiver:
        line.add(receiver.url)
        for _ in range(3):
            line.tell()
        line.run()
    old, *_ = line.deliveries()
    with line.database.transaction() as db:
        db.get_one(Command, old.id).finished_at = datetime.now(UTC) - timedelta(days=8)
        assert sweep(db, timedelta(hours=1))["forgotten"] == 1

    assert old.id not in {delivery.id for delivery in line.deliveries()}
    assert len(line.deliveries()) == 2
