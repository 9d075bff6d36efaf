"""Tests of every page of the board at once: empty, full of hard names, and without a secret."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest

from certline.models import Database
from tests.integration.board.stock import HOSTILE, LONG, MARKUP, SECRETS, stock
from tests.support.board_window import BoardWindow

LISTS = [
    "/organizations",
    "/domains",
    "/profiles",
    "/accounts",
    "/renewals/runs",
    "/renewals/decisions",
    "/renewals/batches",
    "/commands",
    "/dead-letters",
    "/hook-runs",
    "/deliveries",
    "/audit",
]
# Pages that are no list with filters.
OVERVIEWS = ["/renewals", "/hooks", "/webhooks", "/schedules"]


@pytest.fixture
def stocked(database: Database) -> dict[str, Any]:
    """Store rows of each kind. Returns their ids."""
    return database.run(stock)


@pytest.fixture
def every_page(stocked: dict[str, Any]) -> list[str]:
    """Return the path of every page that there is, with the stored rows."""
    number = stocked["account_id"]
    things = [
        f"/{noun}/{number}/{own}"
        for noun in ("organizations", "domains", "profiles")
        for own in range(7, 11)
    ]
    things += [
        f"/organizations/{number}/70",
        "/accounts/hafen",
        f"/renewals/runs/{stocked['auto_renew_run']}",
        f"/renewals/batches/{stocked['batch']}",
        f"/commands/{stocked['command']}",
        f"/commands/{stocked['run']}",
        f"/commands/{stocked['delivery']}",
        f"/dead-letters/{stocked['letter']}",
        "/hooks/reload-web",
        f"/webhooks/{stocked['webhook']}",
        "/audit/1",
    ]
    return [*LISTS, *OVERVIEWS, *things]


def links_in(html: str) -> Iterator[str]:
    """Yield the addresses that a page leads to, within the board."""
    for url in re.findall(r'href="(/[^"]*)"', html):
        yield unescape(url)


def test_each_page_of_an_empty_installation_says_what_to_do_first(board: BoardWindow) -> None:
    for path in [*LISTS, *OVERVIEWS]:
        text = board.text(path)
        # Nothing is to be done where nothing waits for a decision, and nothing happened.
        assert "certline " in text or path in ("/dead-letters", "/audit"), path
        assert board.get(path, params={"format": "json"}).status_code == 200


def test_each_page_shows_its_rows_and_no_secret(board: BoardWindow, every_page: list[str]) -> None:
    for path in every_page:
        answer = board.get(path)
        assert answer.status_code == 200, f"{path}: {answer.text}"
        shown = answer.text + board.get(path, params={"format": "json"}).text
        if path in LISTS:
            shown += board.get(path, params={"format": "csv"}).text
            assert "<tbody>" in answer.text, path
        found = [what for what, secret in SECRETS.items() if secret in shown]
        assert found == [], path
        assert "sealed" not in re.sub(r"The message itself is sealed", "", shown), path


def test_names_are_shown_as_text_and_never_as_markup(
    board: BoardWindow, every_page: list[str]
) -> None:
    """A name may end what is around it neither by markup nor by marks of direction."""
    for path in every_page:
        html = board.get(path).text
        assert "<script>alert" not in html, path
        assert "alert('x')</b>" not in html, path
        assert "\u202e" not in html, path
        # Choices and commands are cut by their elements.
        body = re.sub(r"<(bdi|option|code)[^>]*>.*?</\1>|<button[^>]*>", "", html, flags=re.DOTALL)
        text = re.sub(r"<[^>]*>", " ", body.partition("<main")[2])
        assert LONG not in text, f"{path}: a long name that is not cut"


def test_a_name_of_each_kind_is_shown_whole(board: BoardWindow, stocked: dict[str, Any]) -> None:
    names = [row["name"] for row in board.rows("/organizations")]

    assert set(HOSTILE) <= set(names)
    assert unescape(board.get("/organizations").text).count(MARKUP) >= 1
    assert stocked["account"] == "hafen"


def test_every_link_of_these_pages_leads_to_a_page(
    board: BoardWindow, every_page: list[str]
) -> None:
    wanted = {url for path in every_page for url in links_in(board.get(path).text)}
    broken = {
        url: board.get(url).status_code
        for url in sorted(wanted)
        if board.get(url).status_code != 200
    }

    # A certificate that was deleted since.
    assert set(broken) <= {"/certificates/GONE"}


UNKNOWN = [
    "/organizations/1/999",
    "/organizations/x/y",
    "/organizations/1/99999999999999999999",
    "/domains/1/-1",
    "/profiles/²/1",
    "/accounts/nobody",
    "/renewals/runs/nothing",
    "/renewals/runs/00000000-0000-0000-0000-000000000000",
    "/renewals/batches/NOTHING",
    "/commands/nothing",
    "/commands/00000000-0000-0000-0000-000000000000",
    "/dead-letters/nothing",
    "/hooks/nothing",
    "/webhooks/nothing",
    "/audit/0",
    "/audit/x",
    "/audit/99999999999999999999",
]


def test_what_is_not_there_is_said(board: BoardWindow) -> None:
    for path in UNKNOWN:
        answer = board.get(path)
        assert answer.status_code == 404, path
        assert "Not found" in answer.text
        assert board.get(path, params={"format": "json"}).json()["error"] == "Not found"


BAD = [
    "/organizations?status=maybe",
    "/organizations?sort=colour",
    "/domains?expires_within=soon",
    "/domains?expires_within=-1",
    "/domains?organization=99999999999",
    "/domains?under_way=perhaps",
    "/profiles?status=on",
    "/profiles?nothing=1",
    "/accounts?status=none",
    "/renewals/decisions?decision=maybe",
    "/renewals/decisions?since=tuesday",
    "/renewals/decisions?until=2026-13-01",
    "/commands?status=maybe",
    "/commands?type=order&type=coffee",
    "/dead-letters?status=lost",
    "/hook-runs?failed=perhaps",
    "/deliveries?status=on",
    "/audit?since=0000-00-00",
    f"/audit?who={'x' * 1001}",
    "/audit?format=xml",
    "/audit?limit=0",
]


def test_a_bad_filter_is_refused_with_what_it_should_be(board: BoardWindow) -> None:
    for path in BAD:
        answer = board.get(path)
        assert answer.status_code == 400, path
        assert "The address makes no sense here" in answer.text


@pytest.mark.usefixtures("stocked")
def test_a_list_begins_anew_after_a_row_that_is_not_there(board: BoardWindow) -> None:
    for path in LISTS:
        for after in ("nothing", "1.2.3", "99999999999999999999.1", "\u202e", "%00", "' OR 1=1 --"):
            assert board.get(path, params={"after": after}).status_code == 200, (path, after)


@pytest.mark.usefixtures("stocked")
def test_any_text_may_be_searched_for(board: BoardWindow) -> None:
    texts = (MARKUP, "\u202eabc", "%_\\", "*", "' OR 1=1 --", "x" * 900)
    for path in LISTS:
        form = board.get(path).text
        names = re.findall(r'<input id="filter-\w+" name="(\w+)" type="(?:search|text)"', form)
        for name in set(names) - {"since", "until"}:
            for text in texts:
                answer = board.get(path, params={name: text})
                assert answer.status_code == 200, (path, name, text)
                assert "<script>alert" not in answer.text


FOUND = {
    "/organizations?status=gone": 0,
    "/organizations?name=hafen": 1,
    "/organizations?account=hafen": 5,
    "/organizations?account=nobody": 0,
    "/domains?organization=7": 4,
    "/domains?expires_within=0": 4,
    "/domains?status=validated": 4,
    "/domains?under_way=yes": 2,
    "/domains?under_way=person": 1,
    "/profiles?status=available": 4,
    "/accounts": 2,
    "/accounts?status=suspended": 1,
    "/accounts?status=removed": 0,
    "/renewals/decisions": 1,
    "/renewals/decisions?decision=refused": 1,
    "/renewals/decisions?decision=renewed&decision=held": 0,
    "/renewals/decisions?name=www": 1,
    "/renewals/decisions?name=*.example": 1,
    "/renewals/decisions?since=2000-01-01": 1,
    "/renewals/decisions?until=2000-01-01": 0,
    "/commands": 5,
    "/commands?status=failed": 2,
    "/commands?type=validate": 3,
    "/commands?type=webhook": 1,
    "/commands?type=order": 1,
    "/commands?by=os:ida": 5,
    "/commands?by=os:tim": 0,
    "/dead-letters": 1,
    "/dead-letters?status=dropped": 0,
    "/dead-letters?status=all": 1,
    "/hook-runs?hook=reload-web": 1,
    "/hook-runs?hook=other": 0,
    "/hook-runs?failed=failed": 1,
    "/hook-runs?status=done": 0,
    "/deliveries?status=review": 1,
    "/deliveries?status=done": 0,
    "/audit?what=test.*": 1,
    "/audit?what=nothing": 0,
    "/audit?who=nobody": 0,
    "/audit?since=2000-01-01T00:00": 1,
    "/audit?until=2000-01-01": 0,
}


@pytest.mark.usefixtures("stocked")
def test_a_filter_in_the_address_selects_rows(board: BoardWindow) -> None:
    counts = {path: len(board.rows(path)) for path in FOUND}
    tables = {path: "<tbody>" in board.get(path).text for path in FOUND}

    assert counts == FOUND
    assert tables == {path: count > 0 for path, count in FOUND.items()}


@pytest.mark.usefixtures("stocked")
def test_the_page_of_an_account_says_what_scm_grants_and_what_keeps_calls_from_it(
    board: BoardWindow,
) -> None:
    text = board.text("/accounts/hafen")

    assert "RAO_SSL" in text
    assert "sslRequest (to order)" in text
    assert "it may not approve" in text
    assert "no calls are made until" in text
    assert "certline account verify hafen" in text
