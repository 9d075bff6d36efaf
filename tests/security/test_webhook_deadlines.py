"""What a receiver of webhooks tries: to hold up certline, its deliveries to others, or its stop."""

import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from certline.models import Database
from certline.models.audit.identity import Identity
from certline.models.events.outbox import emit_event
from certline.models.settings import Settings
from certline.models.vault import Vault
from certline.producers.in_process import running
from certline.producers.processes import grace
from certline.producers.requests.webhooks import add_webhook
from certline.workers.webhooks import name_lookup, receiver
from certline.workers.webhooks.name_lookup import look_up
from certline.workers.webhooks.receiver import NotPostedError, post
from certline.workers.webhooks.response_head import ReceiverResponse
from tests.servers import Process, until
from tests.support.deployment import CERTLINE
from tests.support.documented_events import some
from tests.unit.keys.authority import Authority
from tests.unit.scm.odd_server import SILENCE, Drip, OddServer, Seen, http

TAKEN = http("204 No Content")
# A head that goes on for ever, a byte at a time: each read succeeds, so a time-out for each read is none.
ENDLESS = Drip(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000)
# Four of these have to fit into a test, and none may be met by chance on a busy machine.
SHORT = 1.5
LARGE = b"[" + b"1," * 4_000_000 + b"1]"


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """Yield the TLS context of a `localhost` whose certificate is trusted."""
    root = Authority.root("a root")
    leaf = root.issue("localhost")
    both, roots = tmp_path / "host.pem", tmp_path / "roots.pem"
    key = leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    both.write_bytes(leaf.cert.public_bytes(Encoding.PEM) + key)
    roots.write_bytes(root.cert.public_bytes(Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(roots))
    receiver._context.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    yield context
    receiver._context.cache_clear()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the time limit of a delivery."""
    monkeypatch.setattr(receiver, "WHOLE", SHORT)


def sent(url: str, body: bytes = b"{}") -> ReceiverResponse:
    """Post to a URL."""
    return post(url, {"webhook-id": "01"}, body, allow_private=True)


class Trap:
    """A listener that does what a hostile receiver does with one connection, until the test ends."""

    def __init__(self, deed: Callable[[socket.socket], None]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._deed = deed
        self.over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Trap":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    @property
    def port(self) -> int:
        """Its port."""
        return int(self._listener.getsockname()[1])

    def _run(self) -> None:
        try:
            connection, _ = self._listener.accept()
            with connection:
                self._deed(connection)
                self.over.wait()
        except OSError:
            return  # the client has gone, or the test is over


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("answer", [ENDLESS, SILENCE], ids=["drips", "silence"])
def test_a_head_that_never_ends_over_https_holds_a_delivery_no_longer_than_its_limit(
    answer: bytes, tls: ssl.SSLContext
) -> None:
    with OddServer([answer], tls=tls) as server, pytest.raises(NotPostedError, match="within 2 s"):
        sent(server.url)


@pytest.mark.usefixtures("short", "tls")
def test_a_handshake_that_drips_holds_a_delivery_no_longer_than_its_limit() -> None:
    def drip(connection: socket.socket) -> None:
        # The header of a record of 16 kB that arrives a byte at a time.
        connection.sendall(b"\x16\x03\x03\x40\x00")
        while not trap.over.wait(0.1):
            connection.sendall(b"\x02")

    with Trap(drip) as trap, pytest.raises(NotPostedError, match="did not answer within"):
        sent(f"https://localhost:{trap.port}/")


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("over_tls", [False, True], ids=["http", "https"])
def test_a_receiver_that_sips_at_the_request_holds_a_delivery_no_longer_than_its_limit(
    over_tls: bool, tls: ssl.SSLContext
) -> None:
    def sip(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with tls.wrap_socket(connection, server_side=True) if over_tls else connection as end:
            while not trap.over.wait(0.1):
                end.recv(256)

    scheme, host = ("https", "localhost") if over_tls else ("http", "127.0.0.1")
    with Trap(sip) as trap, pytest.raises(NotPostedError, match="did not answer within"):
        sent(f"{scheme}://{host}:{trap.port}/", LARGE)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n",
    ],
)
@pytest.mark.parametrize("over_tls", [False, True], ids=["http", "https"])
def test_an_incomplete_head_does_not_count_as_taken(
    head: bytes, over_tls: bool, tls: ssl.SSLContext
) -> None:
    with (
        OddServer([head], tls=tls if over_tls else None) as server,
        pytest.raises(NotPostedError, match="the head of its response is incomplete"),
    ):
        sent(server.url)


@pytest.mark.usefixtures("short")
def test_a_head_that_is_cut_off_by_the_limit_does_not_count_as_taken() -> None:
    with OddServer([ENDLESS]) as server, pytest.raises(NotPostedError, match="did not answer"):
        sent(server.url)


def test_a_head_of_megabytes_is_not_read_to_its_end() -> None:
    endless = b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1_000_000
    with OddServer([endless]) as server, pytest.raises(NotPostedError, match="more than 65536"):
        sent(server.url)


def test_an_interim_response_is_not_taken_for_the_one_that_counts() -> None:
    both = b"HTTP/1.1 103 Early Hints\r\n\r\n" + http("503 Busy", headers=("Retry-After: 7",))
    with OddServer([both]) as server:
        assert sent(server.url) == ReceiverResponse(503, 7)


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Make every lookup of a name hang until the test ends. Yields the names asked for."""
    over, asked = threading.Event(), list[str]()

    def hang(host: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        over.wait(120)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield asked
    over.set()
    until(lambda: not name_lookup._under_way, 60)


@pytest.mark.usefixtures("short")
def test_a_name_server_that_never_answers_holds_a_delivery_no_longer_than_its_limit(
    stuck: list[str],
) -> None:
    with pytest.raises(NotPostedError, match="its name was not resolved within"):
        sent("https://slow.example/")

    assert stuck == ["slow.example"]


def test_a_name_that_hangs_has_one_thread_however_often_it_is_looked_up(stuck: list[str]) -> None:
    for _ in range(5):
        with pytest.raises(TimeoutError):
            look_up("slow.example", 443, within=0.01)

    assert stuck == ["slow.example"]


def test_names_that_hang_have_a_bounded_number_of_threads(stuck: list[str]) -> None:
    for number in range(name_lookup.MOST + 5):
        with pytest.raises(TimeoutError):
            look_up(f"slow{number}.example", 443, within=0.01)

    assert len(stuck) == name_lookup.MOST


@pytest.mark.slow
def test_a_receiver_that_keeps_its_delivery_does_not_keep_those_of_others(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker of four threads has two for webhooks; one thread for each receiver is all a slow one may have."""
    monkeypatch.setattr(receiver, "WHOLE", 120.0)
    released = threading.Event()

    def keep(_: Seen) -> bytes:
        released.wait(120)
        return TAKEN

    key = Fernet.generate_key().decode()
    settings = Settings(database_url=SecretStr(database_url), secret_key=SecretStr(key))
    database = Database(database_url, pool_size=1)
    with OddServer([keep]) as slow, OddServer([TAKEN]) as good, running(settings, threads=4):
        add_hooks(database, key, slow.url, good.url)
        tell(database, 20)
        try:
            until(lambda: len(good.seen) == 20, 100)
            kept = len(slow.seen)
        finally:
            released.set()
    database.close()

    assert kept == 1


@pytest.mark.slow
@pytest.mark.parametrize("answer", [ENDLESS, SILENCE], ids=["drips", "silence"])
def test_a_receiver_that_never_ends_its_head_over_https_does_not_hold_up_a_stop(
    answer: bytes, database_url: str, tls: ssl.SSLContext
) -> None:
    key = Fernet.generate_key().decode()
    database = Database(database_url, pool_size=1)
    variables = {"CERTLINE_DATABASE_URL": database_url, "CERTLINE_SECRET_KEY": key}
    with OddServer([answer], tls=tls) as server:
        add_hooks(database, key, server.url)
        with Process([*CERTLINE, "up"], variables) as up:
            tell(database, 3)
            until(lambda: server.seen, 90)
            begun = time.monotonic()
            up.popen.send_signal(signal.SIGTERM)
            code = up.wait(grace(Settings()))
            took = time.monotonic() - begun
    database.close()

    assert code == 0
    assert took < grace(Settings()) - 30


def add_hooks(database: Database, key: str, *urls: str) -> None:
    """Add a webhook for the events of `tell` to each URL; the running line emits others of its own."""
    for url in urls:
        add_webhook(
            database, Vault(key), url, ["order.held"], allow_private=True, who=Identity("os:ida")
        )


def tell(database: Database, count: int) -> None:
    """Emit so many events."""
    with database.transaction() as db:
        for _ in range(count):
            emit_event(db, some("order.held"), subject="01J", correlation_id=None)
