"""What an outside system tries against others: to order, revoke, delete and read what is not its own.

What RabbitMQ refuses (the `user_id` of another, the events of others) is tested with the definitions that we
ship, in tests/integration/definitions.
"""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from certline.models import (
    Account,
    AuditEntry,
    Certificate,
    Command,
    CommandType,
    Database,
    OrderStatus,
    Outbox,
    Sender,
)
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from certline.models.commands.kinds import KINDS, PUBLIC
from certline.models.database.base import new_id
from certline.models.lifecycle.deletion import delete_line
from certline.models.senders.copies import concerned
from certline.models.senders.sender import USUAL_COMMANDS
from certline.producers.ingress import take
from certline.producers.messaging.dead_work import keep_dead
from certline.producers.requests.dead_letters import CannotReplayError, replay
from certline.workers.runtime.messages import RefusedMessageError, command_of
from tests.integration.producers.letters import from_outside, from_work
from tests.integration.producers.senders import (
    ORDER,
    VAULT,
    an_event,
    commands,
    events,
    letters,
)
from tests.support.factories import (
    a_certificate,
    a_line,
    a_sender,
    an_account,
    an_order,
    an_organization,
)
from tools.asyncapi.examples import COMMANDS as EXAMPLES

BANK, SHOP = "bank", "shop"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Yield a database with an account, an organisation, and two senders with the usual rights."""
    database = Database(database_url)
    with database.transaction() as db:
        account = an_account(db, name="demo")
        db.add(an_organization(account_id=account.id, scm_id=9101, name="Nordhafen University"))
        db.add(an_organization(account_id=account.id, scm_id=9102, name="Nordhafen AG"))
        for name in (SHOP, BANK):
            a_sender(db, name=name, amqp_user=name, commands=list(USUAL_COMMANDS), own_only=True)
    yield database
    database.close()


def allow(database: Database, **limits: Any) -> None:
    """Give the shop other rights."""
    with database.transaction() as db:
        for name, value in limits.items():
            setattr(db.get_one(Sender, SHOP), name, value)


def stored(
    database: Database, name: str, *, by: str | None = None, **columns: Any
) -> tuple[str, str]:
    """Store a certificate that a sender has ordered, or else an operator. Returns (its id, its order's)."""
    with database.transaction() as db:
        account = db.scalars(
            select(Account).where(Account.name == columns.pop("account", "demo"))
        ).one()
        command, _ = accept(
            db, CommandType.ORDER, {}, requested_by=Identity("os:ida"), source="x", sender=by
        )
        line = columns.pop("line_id", None) or a_line(db, account).id
        placed = {
            name: columns.pop(name)
            for name in ("organization_id", "status", "sans")
            if name in columns
        }
        order = an_order(
            db,
            account,
            **{"status": OrderStatus.STORED, "common_name": name, "line_id": line} | placed,
            command_id=command.id,
        )
        found = a_certificate(db, order, **columns)
        order.certificate_id = found.id
        return found.id, order.id


def sent(
    database: Database, name: str, data: dict[str, Any], *, user: str | None = SHOP, **more: Any
) -> list[str]:
    """Send a command as a user. Returns the problems with it; none if it was accepted."""
    event = an_event(name, data=data, **more)
    before = {letter.id for letter in letters(database)}
    delivery = from_outside(event, routing_key=name)
    properties = {key: value for key, value in delivery.properties.items() if key != "user_id"}
    if user is not None:
        properties["user_id"] = user
    take(database, VAULT, type(delivery)(delivery.queue, False, properties, delivery.body))
    new = [letter for letter in letters(database) if letter.id not in before]
    if not new:
        return []
    [rejected] = [
        each["data"]
        for each in events(database, "command.rejected")
        if each["data"]["dead_letter"] == new[0].id
    ]
    return list(rejected["problems"])


def refusals(database: Database) -> list[AuditEntry]:
    with database.transaction() as db:
        found = db.scalars(select(AuditEntry).where(AuditEntry.type == "command.refused"))
        return list(found)


def own_commands(database: Database) -> list[Command]:
    """Return the commands that came from outside in this test, without those of `stored`."""
    return [command for command in commands(database) if command.source != "x"]


def test_the_shop_deletes_the_certificate_of_an_operator_with_its_key(database: Database) -> None:
    pay, _ = stored(database, "pay.nordhafen.example")

    [problem] = sent(database, "delete", {"certificate": pay, "yes": True})

    assert problem.startswith("type: the sender 'shop' may not send 'delete'; it may send: order,")
    assert own_commands(database) == []


def test_the_shop_revokes_what_an_operator_ordered_with_key_compromise(database: Database) -> None:
    www, _ = stored(database, "www.nordhafen.example")
    allow(database, commands=["revoke"])

    by_id = sent(
        database,
        "revoke",
        {"certificate": www, "comments": "x", "reason_code": "key-compromise"},
    )
    by_name = sent(database, "revoke", {"certificate": "www.nordhafen.example", "comments": "x"})

    assert by_id[0].startswith(f"certificate: '{www}' names none that the sender 'shop' may")
    assert by_name[0].startswith("certificate: 'www.nordhafen.example' names none")
    assert own_commands(database) == []


@pytest.mark.parametrize("name", sorted(set(PUBLIC) - {"order", "sync", "import"}))
def test_the_shop_touches_what_the_bank_ordered(database: Database, name: str) -> None:
    certificate, order = stored(database, "www.bank.example", by=BANK)
    allow(database, commands=list(PUBLIC))
    data = {
        field: value
        for field, value in (
            ("certificate", certificate),
            ("order", order),
            ("comments", "x"),
            ("reason", "x"),
        )
        if field in KINDS[CommandType(name)].payload.model_fields
    }
    if "certificate" in data:
        data.pop("order", None)

    assert sent(database, name, data)

    assert own_commands(database) == []
    with database.transaction() as db:
        db.get_one(Sender, BANK).commands = list(PUBLIC)
    assert sent(database, name, data, user=BANK) == []


def test_the_shop_learns_from_a_refusal_whether_a_certificate_is_there(database: Database) -> None:
    stored(database, "www.bank.example", by=BANK)
    stored(database, "two.bank.example", by=BANK)
    stored(database, "two.bank.example", by=BANK)
    allow(database, commands=["renew", "cancel"])
    _, order = stored(database, "old.bank.example", by=BANK)
    absent = new_id()

    renewals = [
        sent(database, "renew", {"certificate": name})[0].replace(name, "…")
        for name in ("www.bank.example", "two.bank.example", "none.bank.example")
    ]
    cancels = [
        sent(database, "cancel", {"order": name, "comments": "x"})[0].replace(name, "…")
        for name in (order, absent, "scm:1", "scm:999999")
    ]

    assert len(set(renewals)) == 1
    assert len(set(cancels)) == 1


@pytest.mark.parametrize(
    ("names", "field"),
    [
        ({"common_name": "pay.bank.example"}, "common_name"),
        ({"common_name": "shop.example"}, "common_name"),
        ({"common_name": "*.example.com"}, "common_name"),
        ({"common_name": "www.shop.example", "sans": ["pay.bank.example"]}, "sans"),
        ({"common_name": "www.myshop.example"}, "common_name"),
    ],
)
def test_the_shop_orders_a_name_that_is_not_its_own(
    database: Database, names: dict[str, Any], field: str
) -> None:
    allow(database, names=["*.shop.example"])

    [problem] = sent(database, "order", ORDER | names)

    assert problem.startswith(f"{field}: the sender 'shop' may not use ")
    assert problem.endswith("; its names: *.shop.example")
    assert sent(database, "order", ORDER | {"common_name": "*.shop.example"}) == []


def test_the_shop_gets_a_foreign_name_into_its_certificate_by_a_reissue(database: Database) -> None:
    own, _ = stored(database, "www.shop.example", by=SHOP)
    allow(database, names=["*.shop.example"])

    [problem] = sent(
        database, "reissue", {"certificate": own, "reason": "x", "sans": ["pay.bank.example"]}
    )

    assert problem.startswith("sans: the sender 'shop' may not use pay.bank.example")
    assert sent(database, "reissue", {"certificate": own, "reason": "x"}) == []


def test_the_shop_renews_a_certificate_with_names_outside_its_limits(database: Database) -> None:
    mixed, _ = stored(database, "www.shop.example", by=SHOP, sans=["pay.bank.example"])
    address, _ = stored(database, "ip.shop.example", by=SHOP, other_names=["IP:192.0.2.7"])
    allow(database, names=["*.shop.example"])

    assert sent(database, "renew", {"certificate": mixed})
    assert sent(database, "renew", {"certificate": address})


def test_the_shop_orders_for_an_organisation_or_in_an_account_that_is_not_its_own(
    database: Database,
) -> None:
    with database.transaction() as db:
        other = an_account(db, name="other")
        db.add(an_organization(account_id=other.id, scm_id=9101, name="Nordhafen University"))
    allow(database, organizations=["9102"], accounts=["demo"])

    by_name = sent(database, "order", ORDER | {"account": "demo"})
    by_id = sent(database, "order", ORDER | {"account": "demo", "organization": 9101})
    unknown = sent(database, "order", ORDER | {"account": "demo", "organization": "No such"})
    elsewhere = sent(database, "order", ORDER | {"account": "other", "organization": 9102})
    nowhere = sent(database, "order", ORDER | {"account": "gone", "organization": 9102})
    unsaid = sent(database, "order", ORDER | {"organization": 9102})

    assert by_name[0].startswith("organization: 'Nordhafen University' is not known, or the sender")
    assert by_id[0].replace("9101", "…") == unknown[0].replace("No such", "…")
    assert elsewhere[0].replace("other", "…") == nowhere[0].replace("gone", "…")
    assert unsaid == ["account: the sender 'shop' has to name one; it may use: demo"]
    assert (
        sent(database, "order", ORDER | {"account": "demo", "organization": "Nordhafen AG"}) == []
    )


def test_the_shop_touches_an_order_of_another_organisation_or_account(database: Database) -> None:
    with database.transaction() as db:
        an_account(db, name="other")
    _, there = stored(database, "a.shop.example", by=SHOP, account="other", organization_id=9102)
    _, university = stored(database, "b.shop.example", by=SHOP, organization_id=9101)
    _, own = stored(database, "c.shop.example", by=SHOP, organization_id=9102)
    allow(database, organizations=["Nordhafen AG"], accounts=["demo"])

    assert sent(database, "poll", {"order": there})
    assert sent(database, "poll", {"order": university})
    assert sent(database, "poll", {"order": own}) == []


def test_the_shop_polls_the_orders_of_everybody(database: Database) -> None:
    [problem] = sent(database, "poll", {})

    assert problem.startswith("order: the sender 'shop' has to name one")


@pytest.mark.parametrize("data", [{}, {"order": ["scm:4711"]}, {"common_name": "www.bank.example"}])
def test_the_shop_imports_more_than_its_names(database: Database, data: dict[str, Any]) -> None:
    allow(database, commands=["import"], names=["*.shop.example"], organizations=["9102"])

    assert sent(database, "import", data)
    assert sent(database, "import", {"common_name": "www.shop.example", "organization": 9102}) == []


def test_the_shop_deletes_a_line_whose_older_versions_are_an_operators(database: Database) -> None:
    allow(database, commands=["delete"])
    with database.transaction() as db:
        line = a_line(db, db.scalars(select(Account)).one()).id
    stored(database, "www.shop.example", line_id=line)
    newer, _ = stored(database, "www.shop.example", by=SHOP, line_id=line)
    own, _ = stored(database, "own.shop.example", by=SHOP)

    assert sent(database, "delete", {"certificate": newer})
    assert sent(database, "delete", {"certificate": own}) == []


def test_what_certline_renewed_for_the_shop_is_still_its_own(database: Database) -> None:
    with database.transaction() as db:
        line = a_line(db, db.scalars(select(Account)).one()).id
    stored(database, "www.shop.example", by=SHOP, line_id=line)
    renewed, order = stored(database, "www.shop.example", line_id=line)

    assert sent(database, "renew", {"certificate": renewed}) == []
    assert sent(database, "poll", {"order": order}) == []
    assert sent(database, "renew", {"certificate": renewed}, user=BANK)


def test_the_certificate_that_was_checked_is_the_one_that_is_renewed(database: Database) -> None:
    own, _ = stored(database, "www.shop.example", by=SHOP)
    event = {"id": str(uuid4())}

    assert sent(database, "renew", {"certificate": "www.shop.example"}, **event) == []
    stored(database, "www.shop.example", by=BANK)  # the name alone would be ambiguous now

    [command] = own_commands(database)
    assert command.payload == {"certificate": own}
    # The same message again is the same command, although the name says something else by now.
    assert sent(database, "renew", {"certificate": "www.shop.example"}, **event) == []
    assert len(own_commands(database)) == 1


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


def copies(database: Database, kind: str) -> list[list[str]]:
    """Return, for each event of a type, the senders that receive a copy of it."""
    with database.transaction() as db:
        rows = list(db.scalars(select(Outbox).where(Outbox.routing_key == kind)))
        found = concerned(db, rows)
        return [found[row.id] for row in rows]
