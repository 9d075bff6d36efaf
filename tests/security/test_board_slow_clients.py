"""What somebody tries who asks the board slowly, or does not read its answers: to keep all others out."""

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from certline.board import connection
from certline.board.access.policy import access_policy
from certline.board.web.static import static_files
from tests.security.board_user import a_users_file
from tests.security.test_health_port import idle_clients
from tests.support.board_window import BoardWindow, a_board

CLIENTS = 1_100
HALF = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: "
# Seconds of the shortened limits.
SOON = 1.0


@pytest.fixture
def board(database_url: str) -> Iterator[BoardWindow]:
    """Yield a board."""
    with a_board(database_url) as window:
        yield window


def port_of(board: BoardWindow) -> int:
    """Return the board's port."""
    port = urlsplit(board.url).port
    assert port is not None
    return port


def ending(client: socket.socket, patience: float) -> bytes:
    """Return all that a connection sends until the board closes it. Raises TimeoutError if it doesn't."""
    client.settimeout(patience)
    found = b""
    try:
        while piece := client.recv(65_536):
            found += piece
    except ConnectionResetError:
        pass
    return found


def test_a_viewer_is_served_while_a_thousand_ask_half(board: BoardWindow) -> None:
    with idle_clients(port_of(board), CLIENTS, HALF):
        for path in ("/", "/orders", "/healthz"):
            board.session.close()  # a connection of its own each time, as another viewer has
            assert board.get(path).status_code == 200


def test_a_viewer_behind_a_proxy_is_served_beside_a_thousand_who_ask_half(
    database_url: str, tmp_path: Path
) -> None:
    users = a_users_file(tmp_path)
    access = access_policy("0.0.0.0", users, "X-User", ["127.0.0.1"])  # noqa: S104
    with a_board(database_url, access) as board, idle_clients(port_of(board), CLIENTS, HALF):
        assert board.get("/", headers={"X-User": "ida"}).status_code == 200


def test_one_address_has_no_more_than_its_share(board: BoardWindow) -> None:
    with idle_clients(port_of(board), connection.MOST_OF_ONE + 20, HALF) as clients:
        assert board.get("/healthz").status_code == 200
        # The oldest were closed for those that came after them.
        for client in clients[:20]:
            assert ending(client, 5) == b""
        clients[-1].settimeout(SOON)
        with pytest.raises(TimeoutError):
            clients[-1].recv(1)


@pytest.mark.parametrize(
    "half",
    [
        b"",
        HALF,
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500\r\n\r\nname=",
        b"POST /orders HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500\r\n\r\nname=",
    ],
    ids=["nothing", "half a head", "half a form", "half a body that nobody reads"],
)
def test_who_does_not_end_a_request_is_cut_off(
    database_url: str, tmp_path: Path, half: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ASKED_WITHIN", SOON)
    access = access_policy("0.0.0.0", a_users_file(tmp_path))  # noqa: S104
    with (
        a_board(database_url, access) as board,
        socket.create_connection(("127.0.0.1", port_of(board)), 30) as client,
    ):
        client.sendall(half)

        ending(client, 10 * SOON)

        assert board.get("/healthz").status_code == 200


def test_a_byte_now_and_then_is_no_way_around_the_time_limit(
    board: BoardWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ASKED_WITHIN", SOON)
    with socket.create_connection(("127.0.0.1", port_of(board)), 30) as client:
        # A whole request first: the limit holds for each one.
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert client.recv(65_536).startswith(b"HTTP/1.1 200")
        client.sendall(HALF)
        client.settimeout(SOON / 10)
        for _ in range(100):
            try:
                if client.recv(1) == b"":
                    return
            except TimeoutError:
                client.sendall(b"x")
            except ConnectionError:
                return
    pytest.fail("it waited for the end of the request")


def test_who_does_not_read_is_cut_off(board: BoardWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "READ_WITHIN", SOON)
    (style,) = (each for each in static_files().values() if each.media_type == "text/css")
    asking = f"GET {style.url} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    # More than all buffers between them take. The board reads no further while its answers are not read.
    with (
        socket.create_connection(("127.0.0.1", port_of(board)), 10 * SOON) as client,
        pytest.raises(ConnectionError),
    ):
        client.sendall(asking * 200_000)

    assert board.get("/healthz").status_code == 200
