"""What an outside system tries at the door: to send as nobody or as another, again, or past the ingress.

What RabbitMQ refuses (the `user_id` of another, the events of others) is tested with the definitions that we
ship, in tests/integration/definitions.
"""

from typing import Any
from uuid import uuid4

import pytest

from certline.models import Certificate, CommandType, Database
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from certline.models.commands.kinds import PUBLIC
from certline.models.lifecycle.deletion import delete_line
from certline.producers.ingress import take
from certline.producers.messaging.dead_work import keep_dead
from certline.producers.requests.dead_letters import CannotReplayError, replay
from certline.workers.runtime.messages import RefusedMessageError, command_of
from tests.integration.producers.letters import from_outside, from_work
from tests.integration.producers.senders import ORDER, VAULT, an_event, letters
from tests.security import shop
from tests.security.shop import BANK, SHOP, allow, copies, own_commands, refusals, sent, stored
from tools.asyncapi.examples import COMMANDS as EXAMPLES

database = shop.database


def test_somebody_sends_without_saying_who(database: Database) -> None:
    [problem] = sent(database, "order", ORDER, user=None)

    assert problem.startswith("user_id: is missing; set this message property")
    assert own_commands(database) == []
    [refused] = refusals(database)
    assert (refused.who, refused.data["sender"]) == ("unknown", None)


def test_a_user_that_nobody_has_made_a_sender_orders(database: Database) -> None:
    [problem] = sent(database, "order", ORDER, user="stranger", source="//shop.example")

    assert problem.startswith("user_id: the RabbitMQ user 'stranger' is no sender")
    assert own_commands(database) == []


def test_a_stranger_has_his_message_read(database: Database) -> None:
    take(database, VAULT, from_outside(b"{" * 1000, user_id="stranger"))

    [letter] = letters(database)
    assert letter.reason.startswith("user_id: ")  # and nothing about its JSON


def test_a_refusal_is_audited_once_kept_and_told_to_its_sender_alone(database: Database) -> None:
    event = an_event("delete", data={"certificate": "pay.nordhafen.example"})
    delivery = from_outside(event, routing_key="delete", user_id=SHOP)
    take(database, VAULT, delivery)
    take(database, VAULT, type(delivery)(delivery.queue, True, delivery.properties, delivery.body))

    [refused] = refusals(database)
    [letter] = letters(database)
    assert refused.subject == letter.id
    assert refused.data == {"sender": SHOP, "type": "delete"}
    assert str(refused.why).startswith("type: the sender 'shop' may not send 'delete'")
    assert copies(database, "command.rejected") == [[SHOP]]


def test_an_operator_cannot_be_talked_into_replaying_what_is_forbidden(database: Database) -> None:
    pay, _ = stored(database, "pay.nordhafen.example")
    sent(database, "delete", {"certificate": pay})
    [letter] = letters(database)

    with pytest.raises(CannotReplayError, match="may not send 'delete'"):
        replay(database, VAULT, letter.id, who=Identity("os:anna"))

    allow(database, commands=["delete"], own_only=False)
    replay(database, VAULT, letter.id, who=Identity("os:anna"))
    assert [command.sender for command in own_commands(database)] == [SHOP]


def test_the_shop_sends_again_what_the_bank_has_sent(database: Database) -> None:
    event = {"id": str(uuid4()), "source": "//bank.example"}
    assert sent(database, "order", ORDER, user=BANK, **event) == []

    [problem] = sent(database, "order", ORDER, **event)

    assert problem == f"id: command id {event['id']} is in use; a new request needs a new id"


def test_rights_that_were_taken_away_do_not_stop_a_command_from_being_sent_again(
    database: Database,
) -> None:
    event = {"id": str(uuid4())}
    assert sent(database, "order", ORDER, **event) == []
    allow(database, commands=["poll"])

    assert sent(database, "order", ORDER, **event) == []
    assert sent(database, "order", ORDER | {"term": 199}, **event)
    assert sent(database, "order", ORDER)


def test_a_whole_command_is_put_on_a_work_queue(database: Database) -> None:
    pay, _ = stored(database, "pay.nordhafen.example")
    event = an_event("delete", data={"certificate": pay, "yes": True})
    context: Any = type("Context", (), {"database": database, "vault": VAULT})

    with pytest.raises(RefusedMessageError, match="nobody may put whole commands on a work queue"):
        command_of(context, CommandType.DELETE, [], event)
    keep_dead(database, VAULT, from_work(event, "delete"))

    assert own_commands(database) == []
    [letter] = letters(database)
    assert "nobody may put whole commands on a work queue" in letter.reason
    [refused] = refusals(database)
    assert refused.subject == letter.id


@pytest.mark.parametrize("name", PUBLIC)
def test_each_command_has_a_rule_for_senders_with_limits(database: Database, name: str) -> None:
    allow(database, commands=list(PUBLIC), accounts=["demo"])
    [example, *_] = EXAMPLES[name]

    problems = sent(database, name, example)

    assert not any("only senders without limits" in problem for problem in problems)


def test_the_shop_hears_of_its_certificate_that_an_operator_deletes_and_the_bank_does_not(
    database: Database,
) -> None:
    own, _ = stored(database, "www.shop.example", by=SHOP)
    with database.transaction() as db:
        command, _ = accept(
            db, CommandType.DELETE, {}, requested_by=Identity("os:ida"), source="cli"
        )
        delete_line(db, db.get_one(Certificate, own), command, insist=True)

    assert copies(database, "certificate.deleted") == [[SHOP]]
