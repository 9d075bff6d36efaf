"""What an outside system tries beyond its limits: the certificates, names and organisations of others."""

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from certline.models import Account, CommandType, Database, Sender
from certline.models.commands.kinds import KINDS, PUBLIC
from certline.models.database.base import new_id
from tests.integration.producers.senders import ORDER
from tests.security import shop
from tests.security.shop import BANK, SHOP, allow, own_commands, sent, stored
from tests.support.factories import a_line, an_account, an_organization

database = shop.database


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


@pytest.mark.parametrize("name", sorted(set(PUBLIC) - {"order", "sync", "import", "validate"}))
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


@pytest.mark.parametrize(
    "limits",
    [
        {"own_only": True},
        {"own_only": False, "organizations": ["9102"]},
        {"own_only": False, "names": ["*.shop.example"]},
        {"own_only": False, "names": ["www.nordhafen.example"]},
    ],
)
def test_the_shop_validates_a_domain_with_names_of_others_below_it(
    database: Database, limits: dict[str, Any]
) -> None:
    allow(database, commands=["validate"], **limits)

    [problem] = sent(database, "validate", {"domain": "nordhafen.example"})

    assert problem.startswith("domain: the sender 'shop' may not validate nordhafen.example")
    assert own_commands(database) == []


def test_a_sender_whose_names_are_all_of_a_domain_validates_it(database: Database) -> None:
    names = ["shop.example", "*.shop.example"]
    allow(database, commands=["validate"], own_only=False, names=names)

    assert sent(database, "validate", {"domain": "shop.example"}) == []


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


@pytest.mark.parametrize("own_only", [True, False], ids=["its own", "everything"])
def test_the_shop_revokes_by_a_reissue(database: Database, own_only: bool) -> None:
    certificate, _ = stored(database, "www.shop.example", by=SHOP)
    allow(database, own_only=own_only)
    wanted = {"certificate": certificate, "reason": "x", "revoke_old_after": 0}

    [problem] = sent(database, "reissue", wanted)

    assert problem.startswith("revoke_old_after: the sender 'shop' may not send 'revoke'")
    assert own_commands(database) == []

    allow(database, commands=["reissue", "revoke"])
    assert sent(database, "reissue", wanted) == []
