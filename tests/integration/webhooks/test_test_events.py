"""Tests of test events: posted once, to any webhook, with the receiver's response as the result."""

import json

import pytest
from sqlalchemy import select

from certline.models import AuditEntry, Command, CommandStatus, Outbox, Webhook, WebhookStatus
from certline.models.audit.identity import Identity
from certline.models.events.outbox import EVENTS
from certline.models.webhook import disable, note_failure
from certline.producers.requests.webhooks import (
    UnknownWebhookError,
    post_test_event,
    remove_webhook,
)
from tests.integration.webhooks.conftest import Post
from tests.integration.webhooks.receivers import AWAY, TAKEN, is_signed
from tests.unit.scm.odd_server import OddServer, http


def ended(line: Post, command: Command) -> Command:
    """Run the step for a test event. Returns its command."""
    assert line.run() == 1
    with line.database.transaction() as db:
        return db.get_one(Command, command.id)


def test_a_test_event_is_posted_signed_and_only_to_this_webhook(line: Post) -> None:
    with OddServer([TAKEN]) as receiver, OddServer([TAKEN]) as other:
        added = line.add(f"{receiver.url}/certline", "order.*")
        line.add(other.url, "*")
        done = ended(line, post_test_event(line.database, added.webhook.id, who=Identity("os:ida")))

    [seen] = receiver.seen
    event = json.loads(seen.body)
    assert other.seen == []
    assert is_signed(seen, added.secret)
    assert (event["type"], event["subject"]) == ("webhook.test", added.webhook.id)
    assert event["data"]["requested_by"] == "os:ida"
    assert done.status is CommandStatus.DONE
    assert done.result is not None
    assert done.result["http_status"] == 204
    with line.database.transaction() as db:
        assert db.scalars(select(Outbox).where(Outbox.exchange == EVENTS)).all() == []
        assert db.scalars(select(AuditEntry).where(AuditEntry.type == "webhook.tested")).one()


def test_a_test_event_that_is_refused_is_not_retried_and_costs_the_webhook_nothing(
    line: Post,
) -> None:
    with OddServer([AWAY]) as receiver:
        added = line.add(receiver.url, "order.*")
        failed = ended(
            line, post_test_event(line.database, added.webhook.id, who=Identity("os:ida"))
        )

    assert failed.status is CommandStatus.FAILED
    assert "503" in str(failed.error)
    assert line.hook().failures == 0
    line.let_pass()
    assert line.run() == 0


def test_a_receiver_that_is_gone_does_not_disable_its_webhook_by_a_test(line: Post) -> None:
    with OddServer([http("410 Gone")]) as receiver:
        added = line.add(receiver.url, "order.*")
        failed = ended(
            line, post_test_event(line.database, added.webhook.id, who=Identity("os:ida"))
        )

    assert failed.status is CommandStatus.FAILED
    assert line.hook().status is WebhookStatus.ACTIVE


@pytest.mark.parametrize("state", ["resting", "disabled"])
def test_a_webhook_that_gets_nothing_at_present_is_tested_all_the_same(
    line: Post, state: str
) -> None:
    with OddServer([TAKEN]) as receiver:
        added = line.add(receiver.url, "order.*")
        with line.database.transaction() as db:
            if state == "resting":
                note_failure(db, added.webhook.id)
            else:
                disable(db, added.webhook.id, why="it answered with status 410")
        done = ended(line, post_test_event(line.database, added.webhook.id, who=Identity("os:ida")))

    assert done.status is CommandStatus.DONE
    with line.database.transaction() as db:
        hook = db.get_one(Webhook, added.webhook.id)
        assert hook.resting_until is None
        assert (hook.status is WebhookStatus.DISABLED) == (state == "disabled")


def test_a_webhook_that_is_removed_meanwhile_ends_its_test(line: Post) -> None:
    added = line.add("http://127.0.0.1:1/", "order.*")
    command = post_test_event(line.database, added.webhook.id, who=Identity("os:ida"))
    remove_webhook(line.database, added.webhook.id, who=Identity("os:ida"))

    assert line.run() == 0
    with line.database.transaction() as db:
        assert db.get_one(Command, command.id).status is CommandStatus.FAILED
    with pytest.raises(UnknownWebhookError):
        post_test_event(line.database, added.webhook.id, who=Identity("os:ida"))
