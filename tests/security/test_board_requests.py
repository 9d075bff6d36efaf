"""Tests of requests that are made to mislead the board about who asks, and for what."""

import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from starlette.datastructures import URL
from starlette.requests import HTTPConnection

from certline.board.access.caller import COOKIE
from certline.board.access.policy import AccessPolicy, access_policy
from certline.board.access.session_store import IDLE, SessionStore
from certline.board.access.throttle import FREE, Throttle
from certline.board.access.users_file import UsersFile
from certline.board.web.static import FOLDER
from tests.security.board_user import a_users_file
from tests.support.board_role import board_login
from tests.support.board_window import BoardWindow, a_board

BY_NUL = [
    f"{place}/%00"
    for place in (
        *("/orders", "/certificates", "/dead-letters", "/hooks", "/webhooks", "/commands"),
        *("/renewals/batches", "/accounts"),
    )
]


@pytest.fixture
def users(tmp_path: Path) -> UsersFile:
    """Return a users file with one user."""
    return a_users_file(tmp_path)


def stopped(access: AccessPolicy) -> AccessPolicy:
    """Return the policy with pauses that do not end, however long a machine takes to check a password."""
    return replace(access, throttle=Throttle(clock=lambda: 0.0))


@pytest.fixture
def behind_proxy(database_url: str, users: UsersFile) -> Iterator[BoardWindow]:
    """Yield a board whose users log in to it through a proxy on this machine."""
    access = access_policy("0.0.0.0", users, "X-User", ["127.0.0.1"])  # noqa: S104
    with a_board(database_url, stopped(access)) as window:
        yield window


def send(window: BoardWindow, *lines: str, body: str = "", host: str = "board") -> str:
    """Send a request just as it is written, header lines that occur twice included. Returns the response."""
    address, _, port = window.url.partition("//")[2].partition(":")
    head = [*lines, f"Host: {host}", "Connection: close", f"Content-Length: {len(body)}"]
    with socket.create_connection((address, int(port)), timeout=30) as connection:
        connection.sendall("\r\n".join([*head, "", body]).encode("latin-1"))
        with connection.makefile("rb") as answer:
            return answer.read().decode()


def guess(window: BoardWindow, *headers: str, name: str = "anna") -> int:
    """Log in with a wrong password and further header lines. Returns the status."""
    form = window.get("/login")
    field = re.search(r'name="form" value="([^"]+)"', form.text)
    assert field is not None
    cookie = f"Cookie: certline-form={form.cookies['certline-form']}"
    body = f"form={field[1]}&name={name}&password=guess"
    return int(send(window, "POST /login HTTP/1.1", cookie, *headers, body=body).split()[1])


def test_who_may_look_is_decided_by_the_path_that_is_served(
    database_url: str, users: UsersFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As Starlette before 1.0 made it of `Host: board/healthz?`.
    misled = property(lambda _request: URL("http://board/healthz?/organizations"))
    monkeypatch.setattr(HTTPConnection, "url", misled)
    with a_board(database_url, access_policy("0.0.0.0", users)) as window:  # noqa: S104
        answer = window.get("/organizations", allow_redirects=False)

    assert answer.status_code == 303


@pytest.mark.parametrize("host", ["x/healthz?", "x/static/#", "x/login?", "["])
def test_the_name_of_the_host_opens_no_page(database_url: str, users: UsersFile, host: str) -> None:
    with a_board(database_url, access_policy("0.0.0.0", users)) as window:  # noqa: S104
        answer = window.get("/organizations", headers={"Host": host}, allow_redirects=False)

    assert answer.status_code in (303, 400)


def test_an_address_that_the_guesser_wrote_himself_is_not_believed(
    behind_proxy: BoardWindow,
) -> None:
    # Some proxies add a line of their own below those of the client, as HAProxy does.
    statuses = [
        guess(behind_proxy, f"X-Forwarded-For: 10.0.0.{number}", "X-Forwarded-For: 203.0.113.9")
        for number in range(FREE["pair"] + 1)
    ]

    assert statuses == [403] * FREE["pair"] + [429]


@pytest.fixture
def behind_controller(database_url: str, users: UsersFile) -> Iterator[BoardWindow]:
    """Yield a board behind a proxy on this machine that logs nobody in, as an ingress controller is."""
    access = access_policy("0.0.0.0", users, None, ["127.0.0.1"])  # noqa: S104
    with a_board(database_url, stopped(access)) as window:
        yield window


def test_who_guesses_behind_a_controller_slows_down_nobody_else(
    behind_controller: BoardWindow,
) -> None:
    for number in range(FREE["address"]):
        guess(behind_controller, "X-Forwarded-For: 203.0.113.9", name=f"nobody{number}")

    assert guess(behind_controller, "X-Forwarded-For: 203.0.113.9", name="ben") == 429
    assert guess(behind_controller, "X-Forwarded-For: 198.51.100.4", name="ben") == 403


def test_a_controller_names_no_user(behind_controller: BoardWindow) -> None:
    for header in ("X-User", "X-Forwarded-User", "Remote-User"):
        answer = behind_controller.get("/orders", headers={header: "anna"}, allow_redirects=False)
        assert answer.status_code == 303


def test_https_up_to_the_controller_makes_the_cookie_secure(
    behind_controller: BoardWindow,
) -> None:
    form = behind_controller.get("/login", headers={"X-Forwarded-Proto": "https"})

    assert "; Secure" in form.headers["set-cookie"]


def test_who_is_not_the_controller_is_not_believed(database_url: str, users: UsersFile) -> None:
    access = access_policy("0.0.0.0", users, None, ["10.0.0.0/8"])  # noqa: S104
    with a_board(database_url, stopped(access)) as window:
        statuses = [
            guess(window, f"X-Forwarded-For: 203.0.113.{number}")
            for number in range(FREE["pair"] + 1)
        ]

    assert statuses == [403] * FREE["pair"] + [429]


@pytest.mark.parametrize("address", ["203.0.113.9:{}", "[2001:db8::1]:{}"])
def test_another_port_is_not_another_address(behind_proxy: BoardWindow, address: str) -> None:
    statuses = [
        guess(behind_proxy, f"X-Forwarded-For: {address.format(5000 + number)}")
        for number in range(FREE["pair"] + 1)
    ]

    assert statuses == [403] * FREE["pair"] + [429]


@pytest.mark.parametrize("credentials", ["\xff", "====", "AAA", "/w==", ""])
def test_credentials_that_cannot_be_read_are_none(
    database_url: str, users: UsersFile, credentials: str
) -> None:
    with a_board(database_url, access_policy("0.0.0.0", users)) as window:  # noqa: S104
        answer = send(window, "GET /calendar.ics HTTP/1.1", f"Authorization: Basic {credentials}")

    assert answer.startswith("HTTP/1.1 401")


@pytest.mark.parametrize("path", BY_NUL)
def test_a_name_with_a_nul_is_not_known(database_url: str, path: str) -> None:
    with a_board(database_url) as window:
        assert window.get(path).status_code == 404


def test_the_boards_role_cannot_write_through_a_trigger_of_its_own(database_url: str) -> None:
    with board_login(database_url) as url, psycopg.connect(url) as connection:
        connection.execute("CREATE TEMPORARY TABLE mine (id bigint)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(
                "CREATE TRIGGER mine BEFORE INSERT ON mine "
                "FOR EACH ROW EXECUTE FUNCTION public.event_is_chained()"
            )


@pytest.mark.parametrize(
    "path", ["//evil.example/x", "/%5Cevil.example", "///evil.example", "/%2Fevil.example/x"]
)
def test_a_page_that_is_not_found_leads_to_no_other_host(database_url: str, path: str) -> None:
    with a_board(database_url) as window:
        answer = send(window, f"GET {path} HTTP/1.1", host="127.0.0.1")

    assert answer.startswith("HTTP/1.1 404")
    hrefs = re.findall(r'href="([^"]*)"', answer)
    assert hrefs
    assert not [each for each in hrefs if each.replace("\\", "/").startswith("//")]


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For: 203.0.113.9", "Forwarded: for=203.0.113.9", "X-Real-IP: 10.0.0.7"]
)
def test_a_board_without_a_log_in_is_not_passed_on_by_a_proxy(
    database_url: str, header: str
) -> None:
    with a_board(database_url) as window:
        # By the address that it has itself, as nginx calls it.
        answer = send(window, "GET /orders HTTP/1.1", header, host="127.0.0.1:8600")

    assert answer.startswith("HTTP/1.1 421")
    assert "needs a log-in" in answer


def test_a_page_that_refreshes_itself_keeps_no_session_open(
    database_url: str, users: UsersFile
) -> None:
    now = [1_000.0]
    sessions = SessionStore(clock=lambda: now[0])
    token = sessions.open("anna", users.users()["anna"])
    refresh = {"X-Certline-Refresh": "1"}
    script = (FOLDER / "board.js").read_text()
    access = access_policy("0.0.0.0", users, sessions=sessions)  # noqa: S104
    with a_board(database_url, access) as window:
        window.session.cookies.set(COOKIE, token)
        for _ in range(3):
            now[0] += IDLE / 2
            window.get("/organizations", headers=refresh, allow_redirects=False)
        answer = window.get("/organizations", headers=refresh, allow_redirects=False)

    assert answer.status_code == 303
    assert all(header in script for header in refresh)
