"""What a web page tries, in a browser on the machine of a simulator: to drive it by its control door."""

import http.client
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest
import requests

from certline.simulator.server import Simulator, running

CHANGE = b'{"page_default": 3}'
JSON = "application/json"
TIMEOUT = 30


def ask(
    simulator: Simulator, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, str]:
    """Send a request to the door with exactly these headers. Returns status and text."""
    parts = urlsplit(simulator.door)
    with closing(http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT)) as connection:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.putrequest(method, parts.path + path, skip_host="Host" in named)
        for name, value in named.items():
            connection.putheader(name, value)
        if body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def page_default(simulator: Simulator) -> int:
    """Return the setting that the tests try to change."""
    found = requests.get(f"{simulator.door}/settings", timeout=TIMEOUT).json()
    return int(found["page_default"])


def port(simulator: Simulator) -> int:
    """Return the port that the simulator listens on."""
    return urlsplit(simulator.door).port or 0


@pytest.mark.parametrize(
    "host",
    [
        *(
            "evil.example",
            "evil.example:{port}",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
        ),
        *("evil.example@127.0.0.1", "127.0.0.1@evil.example", "192.0.2.7", "[2001:db8::1]", ""),
        *("localhost/evil.example", "simulator", "localhost:port"),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/orders"), ("POST", "/reset"), ("POST", "/settings")]
)
def test_a_page_whose_name_was_rebound_to_this_machine_reaches_nothing(
    simulator: Simulator, method: str, path: str, host: str
) -> None:
    host = host.format(port=port(simulator))

    status, said = ask(simulator, method, path, CHANGE, Host=host, Content_Type=JSON)

    assert status in (400, 403)
    assert "sslId" not in said
    assert page_default(simulator) == 12


@pytest.mark.parametrize(
    "origin",
    [
        *("http://evil.example", "https://127.0.0.1:{port}", "http://127.0.0.1:3000", "null", ""),
        *("http://localhost:{port}", "http://127.0.0.1", "http://127.0.0.1:{port}.evil.example"),
    ],
)
def test_a_page_of_another_site_changes_nothing(simulator: Simulator, origin: str) -> None:
    origin = origin.format(port=port(simulator))

    for method, path in (("POST", "/settings"), ("POST", "/reset"), ("DELETE", "/faults")):
        status, said = ask(simulator, method, path, CHANGE, Origin=origin, Content_Type=JSON)
        assert (status, "other sites" in said) == (403, True)

    assert page_default(simulator) == 12


@pytest.mark.parametrize(
    "kind",
    [
        *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""),
        *("text/plain; application/json", "application/jsonx"),
    ],
)
@pytest.mark.parametrize("path", ["/settings", "/faults"])
def test_a_type_that_a_page_may_send_unasked_is_not_read(
    simulator: Simulator, path: str, kind: str
) -> None:
    body = CHANGE if path == "/settings" else b'[{"kind": "drop_before", "path": "/"}]'

    status, said = ask(simulator, "POST", path, body, Content_Type=kind)

    assert (status, "application/json" in said) == (415, True)
    assert page_default(simulator) == 12
    assert requests.get(f"{simulator.door}/faults", timeout=TIMEOUT).json() == []


def test_a_body_without_a_type_is_not_read(simulator: Simulator) -> None:
    assert ask(simulator, "POST", "/settings", CHANGE)[0] == 415


def test_a_browser_that_asks_whether_it_may_is_told_no(simulator: Simulator) -> None:
    status, _ = ask(
        simulator,
        "OPTIONS",
        "/settings",
        Origin="http://evil.example",
        Access_Control_Request_Method="POST",
    )

    assert status in (403, 405)


@pytest.mark.parametrize(
    "host",
    [
        *(
            "127.0.0.1:{port}",
            "localhost:{port}",
            "LOCALHOST",
            "localhost.",
            "127.0.0.1",
            "127.1.2.3",
        ),
        *("[::1]:{port}", "0.0.0.0:{port}"),
    ],
)
def test_a_program_on_this_machine_is_served_by_each_usual_name(
    simulator: Simulator, host: str
) -> None:
    host = host.format(port=port(simulator))

    assert ask(simulator, "POST", "/settings", CHANGE, Host=host, Content_Type=JSON)[0] == 200
    assert page_default(simulator) == 3
    assert ask(simulator, "POST", "/reset", Host=host)[0] == 204
    assert ask(simulator, "GET", "/health", Host=host, Origin=f"http://{host.lower()}")[0] == 200


@pytest.fixture(scope="module")
def named() -> Iterator[Simulator]:
    """Yield a simulator whose door has a further name, as in compose."""
    with running(door_hosts=["simulator"]) as started:
        yield started


@pytest.mark.parametrize(
    ("host", "status"),
    [("simulator:8500", 200), ("Simulator", 200), ("simulators", 403), ("127.0.0.1", 200)],
)
def test_a_further_name_is_served_if_the_simulator_was_told_of_it(
    named: Simulator, host: str, status: int
) -> None:
    assert ask(named, "GET", "/health", Host=host)[0] == status


def test_the_api_itself_is_served_by_any_name(simulator: Simulator) -> None:
    login = {"login": "admin", "password": "secret", "customerUri": "demo", "Host": "scm.example"}

    answer = requests.get(f"{simulator.url}/organization/v1", headers=login, timeout=TIMEOUT)

    assert answer.status_code == 200
