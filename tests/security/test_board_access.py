"""Tests of what somebody sees of the board who may not look, and of pages that try to look for him."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from certline.board.access.policy import access_policy
from certline.board.access.throttle import FREE
from certline.board.access.users_file import UsersFile
from certline.board.pages.registry import page_routes
from certline.board.web.static import static_files
from tests.security.board_user import PASSWORD, a_users_file
from tests.support.board_window import BoardWindow, a_board


@pytest.fixture
def users(tmp_path: Path) -> UsersFile:
    """Return a users file with one user."""
    return a_users_file(tmp_path)


@pytest.fixture
def closed(database_url: str, users: UsersFile) -> Iterator[BoardWindow]:
    """Yield a board that its users log in to."""
    with a_board(database_url, access_policy("0.0.0.0", users)) as window:  # noqa: S104
        yield window


@pytest.fixture
def proxied(database_url: str) -> Iterator[BoardWindow]:
    """Yield a board that believes a proxy on this machine."""
    access = access_policy("0.0.0.0", None, "X-Forwarded-User", ["127.0.0.1"])  # noqa: S104
    with a_board(database_url, access) as window:
        yield window


def log_in(
    window: BoardWindow, name: str = "anna", password: str = PASSWORD, target: str = "/"
) -> requests.Response:
    """Fill in the form, as a person does."""
    form = window.get("/login").text
    field = re.search(r'name="form" value="([^"]+)"', form)
    assert field is not None
    return window.session.post(
        f"{window.url}/login",
        data={"form": field[1], "next": target, "name": name, "password": password},
        allow_redirects=False,
        timeout=30,
    )


def test_without_a_log_in_no_page_is_shown(closed: BoardWindow) -> None:
    paths = [str(getattr(route, "path", "/")) for route in page_routes()]
    assert len(paths) > 5
    for path in paths:
        answer = closed.get(re.sub(r"\{[^}]*\}", "1", path), allow_redirects=False)
        if path in ("/live", "/calendar.ics"):
            assert answer.status_code == 401
        else:
            assert (answer.status_code, answer.text) == (303, "")
            assert answer.headers["location"].startswith("/login?next=%2F")


@pytest.mark.parametrize("format_", ["json", "csv"])
def test_data_are_not_shown_either(closed: BoardWindow, format_: str) -> None:
    answer = closed.get(f"/orders?format={format_}", allow_redirects=False)

    assert answer.status_code == 401


def test_probes_the_form_and_its_style_need_no_log_in(closed: BoardWindow) -> None:
    assert closed.get("/healthz").text == "ok\n"
    assert closed.get("/login").status_code == 200
    for file in static_files().values():
        assert closed.get(file.url).status_code == 200


def test_the_right_password_opens_the_page_that_was_asked_for(closed: BoardWindow) -> None:
    answer = log_in(closed, target="/organizations?status=on")

    assert answer.status_code == 303
    assert answer.headers["location"] == "/organizations?status=on"
    assert closed.get("/organizations").status_code == 200
    assert "anna" in closed.get("/organizations").text
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Max-Age" not in cookie.partition("certline-form")[0]


@pytest.mark.parametrize(
    ("name", "password"),
    [("anna", "wrong"), ("nobody", PASSWORD), ("anna", ""), ("", ""), ("anna", PASSWORD + "x")],
)
def test_a_wrong_name_and_a_wrong_password_look_the_same(
    closed: BoardWindow, name: str, password: str
) -> None:
    answer = log_in(closed, name, password)

    assert answer.status_code == 403
    assert "The name or the password is wrong." in answer.text
    assert closed.get("/organizations", allow_redirects=False).status_code == 303


def test_whoever_guesses_has_to_wait_even_with_the_right_password(closed: BoardWindow) -> None:
    for _ in range(FREE["pair"]):
        assert log_in(closed, password="guess").status_code == 403

    answer = log_in(closed)

    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert closed.get("/organizations", allow_redirects=False).status_code == 303


def test_a_form_that_the_board_has_not_given_out_is_refused(closed: BoardWindow) -> None:
    fields = {"form": "mine", "name": "anna", "password": PASSWORD}
    for cookies in ({}, {"certline-form": "other"}):
        answer = requests.post(
            f"{closed.url}/login", data=fields, cookies=cookies, timeout=10, allow_redirects=False
        )
        assert answer.status_code == 400
        assert "certline-board" not in answer.cookies


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_site_can_neither_log_in_nor_out(
    closed: BoardWindow, headers: dict[str, str]
) -> None:
    log_in(closed)
    for path in ("/login", "/logout"):
        answer = closed.session.post(f"{closed.url}{path}", headers=headers, timeout=10)
        assert answer.status_code == 403

    assert closed.get("/organizations", allow_redirects=False).status_code == 200


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "/\\evil.example", "/login", "evil"]
)
def test_a_log_in_leads_to_this_board_only(closed: BoardWindow, target: str) -> None:
    assert log_in(closed, target=target).headers["location"] == "/"


def test_a_log_out_ends_the_session_for_whoever_kept_the_cookie(closed: BoardWindow) -> None:
    log_in(closed)
    kept = closed.session.cookies.copy()
    closed.session.post(f"{closed.url}/logout", timeout=10)

    answer = requests.get(
        f"{closed.url}/organizations", cookies=kept, timeout=10, allow_redirects=False
    )
    assert answer.status_code == 303


def test_a_user_who_is_removed_is_out_at_once(closed: BoardWindow, users: UsersFile) -> None:
    log_in(closed)
    UsersFile(users.path).add("ben", PASSWORD)
    UsersFile(users.path).remove("anna")

    assert closed.get("/organizations", allow_redirects=False).status_code == 303


def test_without_its_users_file_the_board_lets_nobody_in(
    closed: BoardWindow, users: UsersFile
) -> None:
    log_in(closed)
    users.path.unlink()

    assert closed.get("/organizations", allow_redirects=False).status_code == 503
    assert closed.get("/healthz").status_code == 200


def test_a_huge_form_is_not_read(closed: BoardWindow) -> None:
    answer = closed.session.post(f"{closed.url}/login", data=b"x" * 100_000, timeout=10)

    assert answer.status_code == 400


def test_the_user_of_a_trusted_proxy_may_look(proxied: BoardWindow) -> None:
    answer = proxied.get("/organizations", headers={"X-Forwarded-User": "ida@example"})

    assert answer.status_code == 200
    assert "ida@example" in answer.text


@pytest.mark.parametrize("headers", [{}, {"X-Forwarded-User": ""}, {"X-Forwarded-User": "x" * 300}])
def test_a_proxy_that_names_nobody_shows_nothing(
    proxied: BoardWindow, headers: dict[str, str]
) -> None:
    assert proxied.get("/organizations", headers=headers).status_code == 403


def test_a_header_from_elsewhere_is_not_believed(database_url: str) -> None:
    access = access_policy("0.0.0.0", None, "X-Forwarded-User", ["192.0.2.7"])  # noqa: S104
    with a_board(database_url, access) as window:
        answer = window.get("/organizations", headers={"X-Forwarded-User": "ida"})

    assert answer.status_code == 403


def test_behind_https_the_cookie_is_sent_over_https_only(
    database_url: str, users: UsersFile
) -> None:
    access = access_policy("0.0.0.0", users, "X-User", ["127.0.0.1"])  # noqa: S104
    with a_board(database_url, access) as window:
        window.session.headers["X-Forwarded-Proto"] = "https"
        form = window.get("/login")
        field = re.search(r'name="form" value="([^"]+)"', form.text)
        assert field is not None
        answer = window.session.post(
            f"{window.url}/login",
            data={"form": field[1], "name": "anna", "password": PASSWORD},
            headers={"Cookie": f"certline-form={form.cookies['certline-form']}"},
            allow_redirects=False,
            timeout=30,
        )

    assert answer.status_code == 303
    assert "__Host-certline-board=" in answer.headers["set-cookie"]
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8600", "127.0.0.1.nip.example", ""])
def test_a_page_that_calls_this_machine_by_its_own_name_reads_nothing(
    database_url: str, host: str
) -> None:
    with a_board(database_url) as window:
        answer = window.get("/organizations", headers={"Host": host})

    assert answer.status_code in (400, 421)
    assert "<main" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:8600", "LOCALHOST"])
def test_this_machine_may_be_called_by_its_names(database_url: str, host: str) -> None:
    with a_board(database_url) as window:
        assert window.get("/organizations", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/organizations", "/nowhere", "/live", "/healthz"])
def test_each_response_forbids_what_is_not_needed(database_url: str, path: str) -> None:
    with a_board(database_url) as window:
        headers = window.get(path).headers

    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


def test_no_page_has_a_script_or_a_style_in_it(database_url: str) -> None:
    with a_board(database_url) as window:
        for path in ("/", "/organizations", "/nowhere"):
            page = window.get(path).text
            assert re.findall(r"<script(?![^>]*src=)", page) == []
            assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:", page) == []
            assert set(re.findall(r'(?:src|href|action)="(https?:)?//', page)) == set()


def test_a_calendar_is_subscribed_to_with_a_users_password(closed: BoardWindow) -> None:
    asked = closed.get("/calendar.ics")
    assert asked.status_code == 401
    assert asked.headers["www-authenticate"].startswith("Basic ")

    answer = closed.get("/calendar.ics", auth=("anna", PASSWORD))
    assert answer.status_code == 200
    assert answer.text.startswith("BEGIN:VCALENDAR")
    assert "certline-board" not in closed.session.cookies


def test_that_password_opens_nothing_else_in_this_way(closed: BoardWindow) -> None:
    answer = closed.get("/orders", auth=("anna", PASSWORD), allow_redirects=False)

    assert answer.status_code == 303


def test_guessing_a_subscribers_password_is_slowed_down_with_the_form(closed: BoardWindow) -> None:
    for _ in range(FREE["pair"]):
        assert closed.get("/calendar.ics", auth=("anna", "guess")).status_code == 401

    assert closed.get("/calendar.ics", auth=("anna", PASSWORD)).status_code == 429
    assert log_in(closed).status_code == 429


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !!!", "Basic /w==", "Bearer x", "Basic YW5uYQ=="]
)
def test_a_subscribers_header_that_cannot_be_read_is_no_log_in(
    closed: BoardWindow, header: str
) -> None:
    answer = closed.get("/calendar.ics", headers={"Authorization": header})

    assert answer.status_code == 401
