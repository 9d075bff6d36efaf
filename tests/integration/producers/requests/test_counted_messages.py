"""Tests of the metric of outside messages: each is counted once, and none is lost over it."""

from collections.abc import Iterator

import pytest

from certline.models import Database
from certline.producers.ingress import take
from certline.producers.messaging.open_quota import OpenQuota
from certline.workers.metrics.instruments import INGRESS_MESSAGES
from tests.integration.producers.letters import from_outside
from tests.integration.producers.senders import VAULT, an_event, commands, letters
from tests.support.factories import a_sender

OUTCOMES = ("accepted", "repeated", "rejected")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Yield the test's database, in which the shop is a sender."""
    database = Database(database_url)
    with database.transaction() as db:
        a_sender(db, name="shop", amqp_user="shop")
    yield database
    database.close()


def counted() -> list[float]:
    """Return how many messages were counted so far, by outcome."""
    samples = [each for family in INGRESS_MESSAGES.collect() for each in family.samples]
    return [
        sum(each.value for each in samples if each.labels.get("outcome") == outcome)
        for outcome in OUTCOMES
    ]


def test_a_message_that_the_quota_refuses_is_no_accepted_one(database: Database) -> None:
    quota, before = OpenQuota(1), counted()
    first = an_event()
    for event in (first, first, an_event()):
        take(database, VAULT, from_outside(event, user_id="shop"), quota=quota)

    assert [now - then for now, then in zip(counted(), before, strict=True)] == [1, 1, 1]


def test_a_command_is_not_refused_over_its_metric(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(INGRESS_MESSAGES, "labels", broken)

    take(database, VAULT, from_outside(an_event(), user_id="shop"))

    assert (len(commands(database)), letters(database)) == (1, [])
