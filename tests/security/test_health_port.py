"""What somebody who reaches the metrics port tries: to end the process behind it, or to make it blind."""

import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import requests
from cryptography.fernet import Fernet
from sqlalchemy import text

from certline.models import Database
from certline.models.settings import Settings
from certline.producers.installation_figures import InstallationFigures
from certline.workers.metrics.exposition import Exposition
from certline.workers.process import health_server
from certline.workers.process.health import serve_health
from tests.integration.producers.outgoing import emit
from tests.integration.producers.rabbit import waiting
from tests.servers import Process, until
from tests.support.deployment import CERTLINE
from tests.unit.workers.test_health import a_free_port

OTHERS = "datname = current_database() AND pid <> pg_backend_pid()"
COUNT_OTHERS = text(f"SELECT count(*) FROM pg_stat_activity WHERE {OTHERS}")  # noqa: S608  # ours
END_OTHERS = text(
    f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {OTHERS}"  # noqa: S608  # ours
)

# Descriptors of a process that is under attack: few, so that one connection too many shows.
FEW_DESCRIPTORS = 160
CLIENTS = 1_500


def asked(port: int, path: str = "/healthz") -> requests.Response:
    """Ask for an endpoint, as a probe does."""
    return requests.get(f"http://127.0.0.1:{port}{path}", timeout=30)


@contextmanager
def idle_clients(port: int, count: int, say: bytes = b"") -> Iterator[list[socket.socket]]:
    """Open connections that say so much and then wait for ever; those that are refused are left out."""
    clients = []
    for _ in range(count):
        client = socket.socket()
        client.settimeout(0.05)
        with suppress(OSError):
            client.connect(("127.0.0.1", port))
            client.sendall(say)
        clients.append(client)
    try:
        yield clients
    finally:
        for client in clients:
            client.close()


def served(check: str | None = None, url: str = "postgresql://127.0.0.1:1/none") -> int:
    """Serve health on a free port. Returns the port."""
    port = a_free_port()
    serve_health(
        Settings(metrics_port=port),
        lambda: check,
        Exposition("producer", [InstallationFigures(url)]),
    )
    return port


def test_without_a_word_about_the_host_nobody_but_this_machine_reaches_it() -> None:
    port = served()
    assert Settings(metrics_port=port).metrics_host == "127.0.0.1"
    # Bound to one address of the loopback network only: another one of it is as far as another machine.
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.2:{port}/healthz", timeout=5)


@pytest.mark.parametrize(
    "say", [b"", b"GET /metrics HTTP/1.1\r\nX: "], ids=["silent", "a head that never ends"]
)
def test_idle_connections_do_not_keep_a_probe_out(say: bytes) -> None:
    port = served()

    with idle_clients(port, 3 * health_server.MOST_CONNECTIONS, say):
        assert asked(port).text == "ok\n"


def test_idle_connections_are_closed_after_a_while() -> None:
    port = served()

    with idle_clients(port, 3) as clients:
        for client in clients:
            client.settimeout(30)
            assert client.recv(1) == b""


def test_connections_have_no_thread_each() -> None:
    port = served()
    asked(port)
    before = threading.active_count()

    with idle_clients(port, 3 * health_server.MOST_CONNECTIONS):
        assert asked(port).status_code == 200
        assert threading.active_count() <= before + 1


def test_a_head_without_end_is_cut_off() -> None:
    port = served()

    with socket.create_connection(("127.0.0.1", port), 30) as client, suppress(OSError):
        for _ in range(10_000):
            client.sendall(b"X: " + b"a" * 1_000 + b"\r\n")
        pytest.fail("it read 10 MB of a head")
    assert asked(port).status_code == 200


def test_many_requests_for_the_figures_at_once_cost_one_connection(database_url: str) -> None:
    port = served(url=database_url)
    found: list[int] = []

    def ask() -> None:
        with suppress(requests.ConnectionError):  # pushed out by later ones
            found.append(asked(port, "/metrics").status_code)

    clients = [threading.Thread(target=ask) for _ in range(100)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    database = Database(database_url, pool_size=1)
    connections = database.run(lambda db: db.scalar(COUNT_OTHERS))
    database.close()

    assert set(found) == {200}
    assert connections == 1


def test_a_database_that_is_away_leaves_the_health_endpoint_alone() -> None:
    port = served()

    found = asked(port, "/metrics")
    assert found.status_code == 200
    assert "certline_build_info" in found.text
    assert "certline_orders" not in found.text
    assert asked(port).text == "ok\n"


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"GET /nothing HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\n", b"405"),
        (b"\xff\xfe\x00\r\n\r\n", b"404"),
        (b"GET\r\n\r\n", b"404"),
    ],
)
def test_an_odd_request_gets_an_answer_and_the_next_one_too(said: bytes, status: bytes) -> None:
    port = served()

    with socket.create_connection(("127.0.0.1", port), 30) as client:
        client.sendall(said)
        assert client.recv(1_000).split()[1] == status
    assert asked(port).status_code == 200


def flood(port: int) -> None:
    """Ask for the figures with CLIENTS connections at once, none of which reads its answer."""
    clients = []
    try:
        for _ in range(CLIENTS):
            client = socket.socket()
            client.setblocking(False)
            clients.append(client)
            with suppress(BlockingIOError):
                client.connect(("127.0.0.1", port))
        for client in clients:
            with suppress(OSError):
                client.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    finally:
        for client in clients:
            client.close()


@pytest.mark.slow
def test_fifteen_hundred_clients_do_not_end_a_relay_with_few_descriptors(
    database_url: str, vhost: str
) -> None:
    port = a_free_port()
    variables = {
        "CERTLINE_DATABASE_URL": database_url,
        "CERTLINE_RABBITMQ_URL": vhost,
        "CERTLINE_SECRET_KEY": Fernet.generate_key().decode(),
        "CERTLINE_METRICS_PORT": str(port),
    }
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    database = Database(database_url, pool_size=1)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW_DESCRIPTORS, hard))  # for the child
    try:
        relay = Process([*CERTLINE, "run", "relay"], variables)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, CLIENTS + 500), hard))
    with relay:
        relay.wait_for("relay.started", 60)
        for _ in range(5):
            flood(port)
        with idle_clients(port, 300):
            # It needs new descriptors for its connections to both servers.
            database.run(lambda db: db.execute(END_OTHERS))
            emit(database, 5)
            until(lambda: not waiting(database), 60)
            until(lambda: asked(port).status_code == 200, 60)
        assert relay.exit_code is None
    database.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
