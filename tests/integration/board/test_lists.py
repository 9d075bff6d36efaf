"""Tests of lists in general, at the list of organisations."""

import csv
import re

import pytest

from certline.models import Account, Database, Organization
from tests.support.board_window import BoardWindow, readable


def organizations(database: Database, *names: str) -> None:
    """Store an account and its organisations, with ids from 1 on."""
    with database.transaction() as db:
        account = Account(
            name="demo", url="https://scm.example", customer_uri="x", login="a", secret_sealed=b"x"
        )
        db.add(account)
        db.flush()
        db.add_all(
            Organization(account_id=account.id, scm_id=number, name=name)
            for number, name in enumerate(names, start=1)
        )


def test_an_empty_list_says_what_to_do_first(board: BoardWindow) -> None:
    text = board.text("/organizations")

    assert "Nothing has been read from SCM yet." in text
    assert "certline sync --wait" in text


def test_a_filter_in_the_address_narrows_the_list(database: Database, board: BoardWindow) -> None:
    organizations(database, "Hospital", "Harbour")

    text = board.text("/organizations?name=Hosp*")

    assert "Hospital" in text
    assert "Harbour" not in text


def test_nothing_that_matches_is_said(database: Database, board: BoardWindow) -> None:
    organizations(database, "Hospital")

    assert "Nothing matches these filters." in board.text("/organizations?name=Library")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("status=sleeping", "Orders over the API (status) should be one of: on, off, gone"),
        ("nmae=x", "there is no filter 'nmae' here; there are: name, status"),
        ("sort=colour", "sort should be one of: organization, name, id"),
        ("status=on&status=off", "should be given once"),
        ("format=xml", "format should be one of: html, json, csv"),
        ("limit=-1", "limit should be a whole number"),
        (f"name={'x' * 1001}", "should have at most 1,000 characters"),
        ("name=%00", "should have at most 1,000 characters"),
    ],
)
def test_a_value_that_makes_no_sense_is_named(board: BoardWindow, query: str, said: str) -> None:
    answer = board.get(f"/organizations?{query}")

    assert answer.status_code == 400
    assert said in readable(answer.text.replace("&#39;", "'"))


def test_a_long_list_has_pages_that_hold_each_row_once(
    database: Database, board: BoardWindow
) -> None:
    organizations(database, *(f"Clinic {number:03}" for number in range(250)))
    path, seen, sizes = "/organizations?sort=name", list[str](), list[int]()
    while path:
        answer = board.get(path).text
        names = re.findall(r"<bdi[^>]*>Clinic (\d{3})</bdi>", answer)
        seen += names
        sizes.append(len(names))
        following = re.search(r'href="([^"]*)" rel="next"', answer)
        path = following[1].replace("&amp;", "&") if following else ""

    assert sizes == [100, 100, 50]
    assert seen == [f"{number:03}" for number in range(250)]


def test_json_and_csv_have_every_row(database: Database, board: BoardWindow) -> None:
    organizations(database, *(f"Clinic {number:04}" for number in range(1_100)))

    rows = board.rows("/organizations")
    lines = list(csv.DictReader(board.get("/organizations?format=csv").text.splitlines()))

    assert len({row["id"] for row in rows}) == 1_100
    assert [row["name"] for row in rows] == [line["name"] for line in lines]
    assert set(rows[0]) == {
        *("id", "account", "name", "parent_id", "parent_name", "orders", "cert_types"),
        *("synced_at", "gone_at"),
    }


def test_json_of_an_empty_list_is_an_empty_array(board: BoardWindow) -> None:
    assert board.rows("/organizations") == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ('"onmouseover="alert(1)', "&#34;onmouseover=&#34;alert(1)"),
        ("Clinic \u202eexe.fdp", r">Clinic \u202eexe.fdp</bdi>"),
        ("عيادة", ">عيادة</bdi>"),
        ("n" * 1_000, "n" * 1_000),
    ],
)
def test_a_name_from_outside_is_text_and_nothing_else(
    database: Database, board: BoardWindow, name: str, shown: str
) -> None:
    organizations(database, name)

    answer = board.get("/organizations").text

    assert shown in answer
    assert name in answer or name != shown


def test_an_address_that_there_is_not_has_a_page_that_says_so(board: BoardWindow) -> None:
    answer = board.get("/nowhere")

    assert answer.status_code == 404
    assert "There is no page at this address." in readable(answer.text)


def test_nothing_can_be_posted(board: BoardWindow) -> None:
    answer = board.session.post(f"{board.url}/organizations", timeout=10)

    assert answer.status_code == 405
    assert "The board only reads" in readable(answer.text)
