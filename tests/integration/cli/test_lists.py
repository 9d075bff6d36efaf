"""Lists as people and programs use them: narrowed, sorted, page after page, in JSON, CSV or a table."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from cli import listing
from models import Command, DeadLetter, Order
from models.session import clock
from tests.factories import (
    a_certificate,
    a_domain,
    a_profile,
    an_account,
    an_order,
    an_organization,
)
from tests.integration.cli.conftest import Typist

NAMES = ("shop.nordhafen.example", "mail.see.example", "www.nordhafen.example", "vpn.see.example")


def ids(typist: Typist, *words: str) -> list[Any]:
    """The ids of a list."""
    return [row["id"] for row in typist.json(*words)]


def people(typist: Typist, *words: str, code: int = 0) -> Typist:
    """What is printed for people."""
    typist.types(*words, code=code)
    return typist


def orders(db: Session) -> dict[str, str]:
    """Four orders of two accounts, organisations and profiles, by name, in this order."""
    accounts = [an_account(db, name=name) for name in ("hafen", "see")]
    found = {}
    for number, name in enumerate(NAMES):
        order = an_order(
            db,
            accounts[number % 2],
            status=("stored", "held", "pending", "stored")[number],
            common_name=name,
            organization_id=9101 + number % 2,
            organization_name=("Nordhafen AG", "See AG")[number % 2],
            profile_id=51 + (number == 3),
        )
        order.updated_at = clock(db) + timedelta(minutes=(number * 7) % 4)
        found[name] = order.id
    for number, account in enumerate(accounts):
        names = {"scm_id": 9101 + number, "name": ("Nordhafen AG", "See AG")[number]}
        db.add(an_organization(account_id=account.id, **names))
        db.add(a_profile(account_id=account.id))
    return found


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ((), [3, 2, 1, 0]),
        (("--reverse",), [0, 1, 2, 3]),
        (("--sort", "name"), [1, 0, 3, 2]),
        (("--sort", "changed"), [1, 2, 3, 0]),
        (("--status", "held", "--status", "pending"), [2, 1]),
        (("--open",), [2, 1]),
        (("--account", "see"), [3, 1]),
        (("--organization", "9101"), [2, 0]),
        (("--organization", "nordhafen ag"), [2, 0]),
        (("--profile", "OV Single"), [2, 1, 0]),
        (("--profile", "52"), [3]),
        (("--name", "*.see.example"), [3, 1]),
        (("--name", "SHOP*"), [0]),
        (("--name", "*nordhafen*"), [2, 0]),
        (("--name", "w*.nordhafen*e"), [2]),
        (("--name", "mail.see.example"), [1]),
        (("--name", "see"), []),
        (("--name", "%.see.example"), []),
        (("--status", "stored", "--account", "see"), [3]),
        (("--limit", "2"), [3, 2]),
    ],
)
def test_orders_are_narrowed_and_sorted(
    typist: Typist, words: tuple[str, ...], numbers: list[int]
) -> None:
    with typist.database.transaction() as db:
        made = list(orders(db).values())

    assert ids(typist, "order", "list", *words) == [made[number] for number in numbers]


@pytest.mark.parametrize("sort", ["created", "changed", "name"])
@pytest.mark.parametrize("reverse", [(), ("--reverse",)])
def test_page_after_page_is_the_whole_list_each_row_once(
    typist: Typist, sort: str, reverse: tuple[str, ...]
) -> None:
    with typist.database.transaction() as db:
        orders(db)
        orders_again = [an_order(db, common_name=NAMES[0]) for _ in range(3)]
        assert orders_again
    words = ("order", "list", "--sort", sort, *reverse)

    found = ids(typist, *words, "--limit", "2")
    while len(found) % 2 == 0:
        found += ids(typist, *words, "--limit", "2", "--after", found[-1])

    assert found == ids(typist, *words)
    assert len(set(found)) == 7


def test_a_page_says_how_to_get_the_next_one(typist: Typist) -> None:
    with typist.database.transaction() as db:
        made = list(orders(db).values())

    for words in (("--limit", "3"), ("--limit", "3", "--json"), ("--limit", "3", "--csv")):
        said = people(typist, "order", "list", *words)
        assert f"the next page: --after {made[1]}" in said.err
    assert people(typist, "order", "list", "--limit", "4").err == ""
    assert "not known" in people(typist, "order", "list", "--after", "nobody", code=1).err


def test_programs_get_every_row_in_pieces_and_people_a_screenful(
    typist: Typist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PIECE", 2)
    monkeypatch.setattr(listing, "SCREENFUL", 3)
    with typist.database.transaction() as db:
        orders(db)

    assert len(typist.json("order", "list")) == 4
    assert len(list(csv.DictReader(io.StringIO(people(typist, "order", "list", "--csv").out)))) == 4
    said = people(typist, "order", "list")
    assert len(said.out.splitlines()) == 1 + 3
    assert "There are more than these 3" in said.err


def test_csv_has_the_keys_of_json(typist: Typist) -> None:
    with typist.database.transaction() as db:
        order = an_order(db, sans=["a.example", "b.example"], comments='say "so",\nplease')
        assert order.error is None

    (row,) = csv.DictReader(io.StringIO(people(typist, "order", "list", "--csv").out))
    (document,) = typist.json("order", "list")

    assert list(row) == list(document)
    assert (row["id"], row["sans"]) == (document["id"], "a.example b.example")
    assert (row["comments"], row["error"]) == ('say "so",\nplease', "")
    assert people(typist, "order", "list", "--csv", "--status", "held").out == ""
    assert "do not go together" in people(typist, "order", "list", "--csv", "--json", code=2).out


def test_nothing_found_is_an_empty_array_or_a_sentence(typist: Typist) -> None:
    assert people(typist, "order", "list", "--json").out == "[]\n"
    assert "order create --help" in people(typist, "order", "list").out
    assert "no such order" in people(typist, "order", "list", "--status", "held").out


def test_an_unknown_organization_is_told_with_what_was_meant(typist: Typist) -> None:
    with typist.database.transaction() as db:
        orders(db)

    error = people(typist, "order", "list", "--organization", "Nordhaven AG", code=2).err

    assert "'Nordhaven AG' is not known; did you mean Nordhafen AG?" in error
    assert "certline organization list" in error


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ((), [1, 0, 2, 3]),
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
    assert "say how many: --limit N" in said.err


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

    assert f"no certificate of '{over.common_name}' is in use" in error
    assert f"{over.id} (superseded)" in error
