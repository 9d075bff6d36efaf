"""Tests of a receiver that is away, gone, removed or suddenly private: it is spared, and no event is lost."""

import pytest
from sqlalchemy import update

from certline.models import Command, CommandStatus, WebhookStatus
from certline.models.audit.identity import Identity
from certline.producers.requests.webhooks import (
    enable_webhook,
    remove_webhook,
    retry_deliveries,
)
from certline.workers.steps import webhook as step
from tests.integration.webhooks.conftest import Post
from tests.integration.webhooks.receivers import AWAY, TAKEN, states
from tests.unit.scm.odd_server import OddServer, http


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

        assert enable_webhook(line.database, line.hook().id, who=Identity("os:ida"))
        assert not enable_webhook(line.database, line.hook().id, who=Identity("os:ida"))
        assert retry_deliveries(line.database, [line.hook().id], who=Identity("os:ida")) == 2
        line.run()

    assert states(line) == [CommandStatus.DONE] * 2


def test_what_is_on_its_way_to_a_webhook_that_is_removed_comes_to_nothing(line: Post) -> None:
    with OddServer([TAKEN]) as receiver:
        hook = line.add(receiver.url).webhook
        line.tell()
        assert remove_webhook(line.database, hook.id, who=Identity("os:ida")) == 1
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
                "certline.workers.webhooks.targets.socket.getaddrinfo",
                lambda *_, **__: [(*entry, (found[0], 443))],
            )
            line.add(f"https://hooks.example:{port}/", allow_private=False)
            line.tell()
            found[0] = "127.0.0.1"
            line.run()
        assert receiver.connections == 0

    [delivery] = line.deliveries()
    assert "127.0.0.1, which is not a public address" in str(delivery.error)
    assert delivery.status is CommandStatus.QUEUED
