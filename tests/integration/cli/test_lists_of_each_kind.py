"""CLI tests of each kind of list: its filters and its columns."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from certline.models import Command, DeadLetter, Order
from certline.models.database.session import clock
from tests.integration.cli.conftest import Typist
from tests.integration.cli.listed import ids, orders, people
from tests.support.factories import a_certificate, a_domain, an_account, an_organization


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ((), [0, 2, 1, 3]),
        (("--reverse",), [3, 1, 2, 0]),
        (("--sort", "expires"), [1, 0, 2, 3]),
        (("--sort", "name"), [1, 0, 3, 2]),
        (("--sort", "stored"), [3, 2, 1, 0]),
        (("--status", "active"), [0, 2]),
        (("--expires-within", "30"), [0]),
        (("--organization", "See AG"), [1, 3]),
        (("--profile", "52", "--status", "superseded"), [3]),
        (("--account", "hafen", "--name", "*.nordhafen.example"), [0, 2]),
    ],
)
def test_certificates_are_narrowed_and_sorted(
    typist: Typist, words: tuple[str, ...], numbers: list[int]
) -> None:
    now = datetime.now(UTC)
    with typist.database.transaction() as db:
        made = []
        for number, order_id in enumerate(orders(db).values()):
            order = db.get_one(Order, order_id)
            found = a_certificate(
                db,
                order,
                scm_id=order.scm_id or number,
                status=("active", "expired", "active", "superseded")[number],
                not_before=now - timedelta(days=100),
                not_after=now + timedelta(days=(20, -5, 60, 80)[number]),
            )
            made.append(found.id)

    assert ids(typist, "certificate", "list", *words) == [made[number] for number in numbers]


def test_commands_are_narrowed_by_status_type_and_subject(typist: Typist) -> None:
    with typist.database.transaction() as db:
        made = []
        for number in range(3):
            command = Command(
                id=f"00000000-0000-4000-8000-00000000000{number}",
                type=("sync", "poll", "fetch")[number],
                subject=("hafen", "A", "A")[number],
                payload={},
                payload_sha256="",
                requested_by="ida",
                source="cli",
                correlation_id="",
                status=("done", "failed", "done")[number],
                created_at=clock(db) + timedelta(seconds=number),
            )
            db.add(command)
            made.append(command.id)

    assert ids(typist, "command", "list") == made[::-1]
    assert ids(typist, "command", "list", "--limit", "1", "--after", made[2]) == [made[1]]
    assert ids(typist, "command", "list", "--status", "failed") == [made[1]]
    assert ids(typist, "command", "list", "--type", "sync", "--type", "fetch") == [made[2], made[0]]
    assert ids(typist, "command", "list", "--subject", "A") == [made[2], made[1]]


def test_dead_letters_come_in_pages_too(typist: Typist) -> None:
    with typist.database.transaction() as db:
        for number in range(3):
            letter = DeadLetter(
                id=f"0{number}", source="queue", reason="why", body_sealed=b"", sha256=str(number)
            )
            db.add(letter)

    assert ids(typist, "dead-letter", "list", "--limit", "2") == ["02", "01"]
    assert ids(typist, "dead-letter", "list", "--after", "01") == ["00"]


def test_organizations_say_whether_they_take_orders(typist: Typist) -> None:
    with typist.database.transaction() as db:
        account = an_account(db, name="hafen")
        parts = [
            an_organization(scm_id=1, name="Nordhafen AG", api_enabled=True, cert_types=["SSL"]),
            an_organization(scm_id=3, name="Library", parent_id=1, parent_name="Nordhafen AG"),
            an_organization(scm_id=2, name="Press", api_enabled=False),
            an_organization(scm_id=4, name="Ferry", api_enabled=True, gone_at=clock(db)),
        ]
        for part in parts:
            part.account_id = account.id
            db.add(part)

    rows = typist.json("organization", "list")
    assert [(row["id"], row["orders"]) for row in rows] == [
        (4, "on"),
        (1, "on"),
        (3, None),
        (2, "off"),
    ]
    assert ids(typist, "organization", "list", "--status", "on") == [1]
    assert ids(typist, "organization", "list", "--status", "off") == [2]
    assert ids(typist, "organization", "list", "--status", "gone") == [4]
    assert ids(typist, "organization", "list", "--sort", "id", "--limit", "2") == [1, 2]
    assert ids(typist, "organization", "list", "--name", "*r*y") == [4, 3]
    said = people(typist, "organization", "list", "--limit", "2")
    assert re.search(r"1 +Nordhafen AG +on", said.out)
    assert "to see more: --limit N" in said.err


def test_domains_are_found_by_what_ends_soon_and_by_whom_they_are_delegated_to(
    typist: Typist,
) -> None:
    today = datetime.now(UTC).date()
    with typist.database.transaction() as db:
        account = an_account(db, name="hafen")
        db.add(an_organization(account_id=account.id, scm_id=9102, name="IT"))
        for number, word in enumerate(("VALIDATED", "Not validated", "EXPIRED", "Validated")):
            db.add(
                a_domain(
                    account_id=account.id,
                    scm_id=number,
                    name=f"d{number}.example",
                    validation_status=word,
                    validation_expires=None
                    if number == 1
                    else today + timedelta(days=50 - number * 20),
                    delegations=[{"org_id": 9102 if number == 3 else 1, "cert_types": ["SSL"]}],
                )
            )

    assert ids(typist, "domain", "list", "--status", "validated") == [0, 3]
    assert ids(typist, "domain", "list", "--status", "not-validated") == [1]
    assert ids(typist, "domain", "list", "--expires-within", "30") == [2, 3]
    assert ids(typist, "domain", "list", "--sort", "expires") == [3, 2, 0, 1]
    assert ids(typist, "domain", "list", "--organization", "it") == [3]
    assert "no such domain" in people(typist, "domain", "list", "--status", "gone").out
    assert "certline sync" in people(typist, "profile", "list").out


def test_a_list_of_what_several_accounts_have_names_the_account(typist: Typist) -> None:
    with typist.database.transaction() as db:
        orders(db)

    for words in (("order", "list"), ("organization", "list"), ("profile", "list")):
        assert "ACCOUNT" in people(typist, *words).out


def test_a_name_whose_certificates_are_all_over_leads_to_their_ids(typist: Typist) -> None:
    with typist.database.transaction() as db:
        over = a_certificate(db, status="superseded")

    error = people(typist, "certificate", "show", over.common_name, code=1).err

    assert f"no certificate for '{over.common_name}' is active" in error
    assert f"{over.id} (superseded)" in error
