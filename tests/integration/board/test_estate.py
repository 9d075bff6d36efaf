"""Tests of the pages of orders and certificates: found, filtered, sorted, and each with its history."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from certline.models import Account, Certificate, Database
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from tests.integration.models.history.test_timeline import renewed
from tests.support.board_window import BoardWindow
from tests.support.factories import (
    a_certificate,
    a_profile,
    an_account,
    an_order,
    an_organization,
)

THIS_YEAR = datetime.now(UTC).year
MAY = datetime(THIS_YEAR + 1, 5, 12, tzinfo=UTC)
JUNE = datetime(THIS_YEAR + 1, 6, 1, tzinfo=UTC)


def an_estate(db: Session) -> None:
    """Store the certificates of a hospital and of a harbour, which end in May and in June."""
    account = an_account(db, id=1, name="hafen")
    db.add_all(
        [
            an_organization(scm_id=7, name="Klinik Nord"),
            an_organization(scm_id=8, name="Nordhafen AG"),
            a_profile(scm_id=51),
        ]
    )
    stored(db, account, "www.klinik.example", MAY, 7)
    stored(db, account, "labor.klinik.example", MAY + timedelta(days=19), 7)
    stored(db, account, "mail.klinik.example", JUNE, 7)
    stored(db, account, "kai.hafen.example", MAY, 8)


def stored(
    db: Session, account: Account, name: str, ends: datetime, organization: int, **more: Any
) -> Certificate:
    """Store a certificate with its order."""
    order = an_order(db, account, status="stored", common_name=name, organization_id=organization)
    certificate = a_certificate(db, order, not_after=ends, **more)
    order.certificate_id, order.line_id = certificate.id, certificate.line_id
    return certificate


def names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["common_name"] for row in rows]


@pytest.mark.parametrize("organization", ["7", "Klinik Nord"])
def test_the_certificates_of_the_hospital_that_end_in_may(
    database: Database, board: BoardWindow, organization: str
) -> None:
    with database.transaction() as db:
        an_estate(db)

    asked = f"/certificates?organization={organization}&ends_in={THIS_YEAR + 1}-05"

    assert names(board.rows(asked)) == ["www.klinik.example", "labor.klinik.example"]
    page = board.get(asked)
    assert f'<option value="{THIS_YEAR + 1}-05" selected>May {THIS_YEAR + 1}</option>' in page.text
    assert ">Klinik Nord</option>" in page.text
    assert "mail.klinik.example" not in board.text(asked)


def test_certificates_are_filtered_by_days_profile_account_and_status(
    database: Database, board: BoardWindow
) -> None:
    with database.transaction() as db:
        an_estate(db)
        soon = datetime.now(UTC) + timedelta(days=3)
        see = an_account(db, id=2, name="see")
        stored(db, see, "www.see.example", soon, 9)

    assert names(board.rows("/certificates?ends_within=5")) == ["www.see.example"]
    assert names(board.rows("/certificates?account=see")) == ["www.see.example"]
    assert len(board.rows("/certificates?profile=51&status=active")) == 5
    assert board.rows("/certificates?status=revoked") == []
    day = f"{MAY:%Y-%m-%d}"
    found = board.rows(f"/certificates?ends_from={day}&ends_until={day}&sort=name")
    assert names(found) == ["kai.hafen.example", "www.klinik.example"]


@pytest.mark.parametrize("noun", ["certificates", "orders"])
def test_a_search_finds_by_name_and_by_sslid(
    database: Database, board: BoardWindow, noun: str
) -> None:
    with database.transaction() as db:
        an_estate(db)

    (found,) = board.rows(f"/{noun}?search=kai.hafen")

    assert found["common_name"] == "kai.hafen.example"
    assert names(board.rows(f"/{noun}?search={found['scm_id']}")) == ["kai.hafen.example"]
    assert names(board.rows(f"/{noun}?search=*.klinik.example&sort=name")) == [
        "labor.klinik.example",
        "mail.klinik.example",
        "www.klinik.example",
    ]


@pytest.mark.parametrize("noun", ["certificates", "orders"])
@pytest.mark.parametrize(
    "wrong",
    ["organization=nobody", "profile=none", "account=nobody", "status=lost", "sort=color", "x=1"],
)
def test_a_filter_that_makes_no_sense_is_explained(
    board: BoardWindow, noun: str, wrong: str
) -> None:
    answer = board.get(f"/{noun}?{wrong}")

    assert answer.status_code == 400
    assert "makes no sense" in answer.text


def test_the_same_data_as_the_command_line_prints_is_there_as_csv(
    database: Database, board: BoardWindow
) -> None:
    with database.transaction() as db:
        an_estate(db)

    rows = list(csv.DictReader(io.StringIO(board.get("/orders?format=csv&sort=name").text)))

    assert rows[0]["common_name"] == "kai.hafen.example"
    assert {"scm_id", "organization", "requested_by"} <= set(rows[0])


def test_a_list_of_hundreds_has_pages_and_says_how_many_there_are(
    database: Database, board: BoardWindow
) -> None:
    with database.transaction() as db:
        account = an_account(db)
        for number in range(105):
            an_order(db, account, common_name=f"host{number:03}.example")

    first = board.get("/orders?sort=name").text

    assert "100 shown of 105" in " ".join(first.split())
    following = first.partition('<a href="/orders?sort=name&amp;after=')[2].partition('"')[0]
    assert "5 shown of 105" in board.text(f"/orders?sort=name&after={following}")
    assert board.get("/orders?after=unknown").status_code == 404


def test_a_certificate_says_why_it_was_renewed_and_by_whom(
    database: Database, board: BoardWindow
) -> None:
    with database.transaction() as db:
        old, order, new = renewed(db)
        ids = old.id, order.id, new.id

    page = board.text(f"/certificates/{ids[2]}")

    assert "Auto-renewal decided to renew it by certline:auto-renew" in page
    assert "its renewal was planned for 2026-11-24; selected by os:anna" in page
    assert "Renewal ordered by" in page
    told = board.rows(f"/certificates/{ids[2]}")
    assert [each["certificate"] for each in told["line"]] == [ids[0], ids[2]]
    of_order = board.text(f"/orders/{ids[1]}")
    assert "its renewal was planned for 2026-11-24; selected by os:anna" in of_order


def test_an_order_in_review_shows_the_command_that_decides(
    database: Database, board: BoardWindow
) -> None:
    with database.transaction() as db:
        order = an_order(db, status="review", error="two records fit")
        record(db, "order.review", order.id, who=Identity("certline:worker"), why="two records fit")
        order_id = order.id

    page = board.text(f"/orders/{order_id}")

    assert f"certline order resolve {order_id}" in page
    assert "a person has to decide" in page
    assert "two records fit" in page


@pytest.mark.parametrize("noun", ["orders", "certificates"])
def test_what_is_not_there_is_a_page_of_its_own(board: BoardWindow, noun: str) -> None:
    answer = board.get(f"/{noun}/01NOTHING")

    assert answer.status_code == 404
    assert "is not known" in answer.text


def test_names_from_outside_cannot_become_markup(database: Database, board: BoardWindow) -> None:
    name = "<script>alert(1)</script>"
    with database.transaction() as db:
        order = an_order(db, organization_name=name, comments=name, status="rejected", error=name)
        record(db, "order.rejected", order.id, who=Identity("os:ida"), why=name)
        order_id = order.id

    for path in ("/orders", f"/orders/{order_id}"):
        text = board.get(path).text
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)" in text


def test_no_secret_is_on_a_page(database: Database, board: BoardWindow) -> None:
    with database.transaction() as db:
        account = an_account(db)
        order = an_order(
            db, account, status="stored", csr="-----BEGIN-CSR", keystore_password_sealed=b"sealed-1"
        )
        found = a_certificate(db, order, keystore_password_sealed=b"sealed-2", leaf="LEAF-PEM")
        ids = order.id, found.id

    for path in (f"/orders/{ids[0]}", f"/certificates/{ids[1]}"):
        for text in (board.get(path).text, board.get(f"{path}?format=json").text):
            assert not any(word in text for word in ("sealed", "BEGIN-CSR", "LEAF-PEM"))


def test_empty_lists_say_what_to_do_first(board: BoardWindow) -> None:
    assert "certline import --wait" in board.text("/orders")
    assert "certline import --wait" in board.text("/certificates")


@pytest.mark.parametrize(("path", "noun"), [("/certificates", "certificate"), ("/orders", "order")])
def test_a_narrowed_list_names_no_command_that_shows_another_one(
    database: Database, board: BoardWindow, path: str, noun: str
) -> None:
    with database.transaction() as db:
        a_certificate(db)

    assert f"The same list certline {noun} list Copy" in board.text(path)
    narrowed = board.text(f"{path}?search=nothing")
    assert "The same list" not in narrowed
