"""An attacker who may send commands tries to have another system's order declared rejected (review M2)."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select, update

from certline.models import Database
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from certline.models.events.outbox import Outbox, emit_event
from certline.models.states import CommandType
from certline.producers.ingress import take
from tests.integration.producers.letters import from_outside, from_work, gave_up
from tests.integration.producers.senders import ORDER, VAULT, an_event, commands, events, letters
from tests.support.documented_events import some
from tests.support.factories import a_sender

BANK = "0190aaaa-0000-7000-8000-00000000ba4c"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Yield the test's database, in which the bank has ordered under the id BANK."""
    database = Database(database_url)
    with database.transaction() as db:
        for user in ("shop", "bank"):
            a_sender(db, name=user, amqp_user=user)
    take(database, VAULT, from_outside(an_event(id=BANK), user_id="bank"))
    yield database
    database.close()


def rejections(database: Database) -> list[dict[str, Any]]:
    """Return the rejections that were published."""
    return events(database, "command.rejected")


@pytest.mark.parametrize(
    "rubbish",
    [
        an_event(id=BANK, data={}),
        an_event(id=BANK, data=ORDER | {"term": 30}),
        an_event(id=BANK),
        an_event("revoke", id=BANK),
        an_event(id=BANK.upper(), data={}),
        an_event(id=BANK, data={}, source="bank"),
        an_event(id=BANK, data={}, correlationid=BANK),
    ],
    ids=[
        "invalid",
        "other payload",
        "same payload",
        "other type",
        "capitals",
        "source",
        "correlation",
    ],
)
@pytest.mark.parametrize("user", ["shop", None])
def test_rubbish_under_the_banks_id_is_not_answered_under_that_id(
    database: Database, rubbish: dict[str, Any], user: str | None
) -> None:
    take(database, VAULT, from_outside(rubbish, message_id=BANK, user_id=user))

    [told] = rejections(database)
    assert "correlationid" not in told
    assert BANK not in {told["data"]["message_id"], told["subject"]}
    assert told["data"]["sender"] == user
    assert letters(database)[0].command_id is None
    assert [command.requested_by for command in commands(database)] == ["amqp:bank"]


def test_rubbish_that_is_not_even_json_is_not_answered_under_the_banks_id_either(
    database: Database,
) -> None:
    take(database, VAULT, from_outside(b"{", message_id=BANK, user_id="shop"))

    [told] = rejections(database)
    assert "correlationid" not in told
    assert told["data"]["message_id"] is None


def test_the_bank_itself_is_answered_under_its_id(database: Database) -> None:
    take(database, VAULT, from_outside(an_event(id=BANK, data={}), message_id="m1", user_id="bank"))

    [told] = rejections(database)
    assert told["correlationid"] == BANK
    assert (told["data"]["message_id"], told["data"]["sender"]) == ("m1", "bank")


def test_an_id_that_nobody_has_used_is_answered_under(database: Database) -> None:
    own = str(uuid4())

    take(database, VAULT, from_outside(an_event(id=own, data={}), user_id="shop"))

    [told] = rejections(database)
    assert told["correlationid"] == own


def test_the_id_of_a_users_own_command_is_nobodys_from_outside(database: Database) -> None:
    own = str(uuid4())
    with database.transaction() as db:
        accept(
            db, CommandType.SYNC, {}, requested_by=Identity("os:shop"), source="cli", command_id=own
        )

    take(database, VAULT, from_outside(an_event(id=own, data={}), user_id="shop"))

    assert "correlationid" not in rejections(database)[0]


def test_the_banks_last_event_does_not_go_out_again_for_the_shop(database: Database) -> None:
    with database.transaction() as db:
        emit_event(db, some("license.exhausted"), subject=None, correlation_id=BANK)
        db.flush()
        db.execute(update(Outbox).values(sent_at=func.now()))

    take(database, VAULT, from_outside(an_event(id=BANK), user_id="shop"))
    assert sent_again(database) is False

    take(database, VAULT, from_outside(an_event(id=BANK), user_id="bank"))
    assert sent_again(database) is True


def test_a_command_put_on_a_work_queue_is_not_answered_under_the_banks_id(
    database: Database,
) -> None:
    forged = from_work(an_event("poll", id=BANK, data={"order": "x"}))
    forged.properties["user_id"] = "shop"

    gave_up(database, forged)

    [told] = rejections(database)
    assert "correlationid" not in told


def sent_again(database: Database) -> bool:
    """Return whether the bank's event waits to be sent."""
    with database.transaction() as db:
        [row] = db.scalars(select(Outbox).where(Outbox.routing_key == "license.exhausted"))
        return row.sent_at is None
