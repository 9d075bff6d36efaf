"""Tests of the control API, the seeded fleet, and starting."""

import asyncio
import threading
from queue import Queue

import pytest
import requests
from starlette.types import Message

from certline.simulator.app import build
from certline.simulator.server import running
from certline.simulator.settings import SimSettings
from tests.unit.simulator.customer import LOGIN, SHOP, TIMEOUT, Customer, refused


def test_the_door_lists_every_record(scm: Customer) -> None:
    ssl_id = scm.issued(comments="[ref:1]")

    (line,) = scm.orders()

    assert line.pop("enrolledAt").endswith("Z")
    assert line == {
        "sslId": ssl_id,
        "status": "Issued",
        "commonName": SHOP,
        "comments": "[ref:1]",
    }


def test_a_reset_forgets_orders_settings_faults_and_calls(scm: Customer) -> None:
    scm.enroll()
    scm.set(page_default=3)
    scm.fault("status", "/")

    assert scm.door("POST", "/reset").status_code == 204

    assert scm.orders() == []
    assert scm.door("GET", "/settings").json()["page_default"] == 12
    assert scm.door("GET", "/faults").json() == []
    assert scm.door("GET", "/calls").json() == {}


def test_calls_are_counted_by_their_template(scm: Customer) -> None:
    first, second = scm.enroll(), scm.enroll()
    scm.details(first)
    scm.details(second)
    scm.get(f"/ssl/v1/collect/{first}/x509")

    assert scm.door("GET", "/calls").json() == {
        "POST /ssl/v1/enroll": 2,
        "GET /ssl/v1/{sslId}": 2,
        "GET /ssl/v1/collect/{sslId}/{format}": 1,
    }


def test_a_setting_that_does_not_exist_or_fit_changes_nothing(scm: Customer) -> None:
    wrong: list[dict[str, object]] = [
        {"latency": 1},
        {"latency_ms": "slow"},
        {"rate_limit_per_s": 0},
        {"mandatory_custom_fields": [1]},
    ]
    for each in wrong:
        body = {"page_default": 3, **each}
        assert scm.door("POST", "/settings", body).status_code == 400
    assert scm.door("POST", "/settings", []).status_code == 400

    assert scm.door("GET", "/settings").json()["page_default"] == 12


@pytest.mark.parametrize(
    ("deed", "status"),
    [
        ("approve", "Applied"),
        ("decline", "Declined"),
        ("reject", "Rejected"),
        ("issue", "Issued"),
    ],
)
def test_the_door_decides_about_an_order(scm: Customer, deed: str, status: str) -> None:
    scm.set(auto_approve=False)
    ssl_id = scm.enroll()

    assert scm.deed(ssl_id, deed).json()["status"] == status

    assert scm.details(ssl_id)["status"] == status


def test_the_door_lets_a_certificate_expire(scm: Customer) -> None:
    ssl_id = scm.issued()

    scm.deed(ssl_id, "expire")

    assert scm.details(ssl_id)["status"] == "Expired"
    assert scm.get("/ssl/v1", status="Expired").headers["X-Total-Count"] == "1"


def test_the_door_says_when_a_deed_is_impossible(scm: Customer) -> None:
    ssl_id = scm.enroll()

    assert scm.deed(ssl_id, "expire").status_code == 409
    assert scm.deed(ssl_id, "decline").status_code == 409
    assert scm.deed(ssl_id, "praise").status_code == 404
    assert scm.deed(1, "issue").status_code == 404


def test_the_door_says_that_the_simulator_is_well(scm: Customer) -> None:
    assert scm.door("GET", "/health").json() == {"status": "ok", "orders": 0}


@pytest.mark.parametrize(
    ("host", "code"),
    [("127.0.0.1", 200), ("::1", 200), ("::ffff:127.0.0.1", 200), ("192.0.2.7", 403), ("x", 403)],
)
def test_the_door_opens_to_this_machine_only(host: str, code: int) -> None:
    # One machine has no remote caller, so the application is called directly.
    app, _ = build(SimSettings())
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/_sim/health",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1:8500")],
        "client": (host, 1234),
        "server": ("127.0.0.1", 8500),
        "scheme": "http",
        "http_version": "1.1",
    }
    asyncio.run(app(scope, receive, send))

    assert sent[0]["status"] == code


def test_only_an_imported_certificate_can_be_deleted() -> None:
    with running(seed_orders=200) as simulator:
        fleet = Customer(simulator)
        imported = fleet.get("/ssl/v1", requestedVia="IMPORTED").json()[0]

        assert fleet.call("DELETE", f"/ssl/v1/{imported['sslId']}").status_code == 204
        assert refused(fleet.get(f"/ssl/v1/{imported['sslId']}"), -5101, status=404)


def test_a_reset_brings_the_seeded_fleet_back() -> None:
    with running(seed_orders=5, auto_approve=False) as simulator:
        fleet = Customer(simulator)
        fleet.enroll()
        fleet.door("POST", "/reset")

        assert len(fleet.orders()) == 5
        assert fleet.door("GET", "/settings").json()["auto_approve"] is False


def test_many_clients_at_once_get_ids_of_their_own(scm: Customer) -> None:
    ids: Queue[int] = Queue()

    def order_ten() -> None:
        for _ in range(10):
            ids.put(scm.enroll())

    clients = [threading.Thread(target=order_ten) for _ in range(4)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()

    assert len({ids.get() for _ in range(40)}) == 40


def test_a_path_that_scm_does_not_have_is_not_found(scm: Customer) -> None:
    answer = requests.get(f"{scm.url}/ssl/v1/enroll/again", headers=LOGIN, timeout=TIMEOUT)

    assert answer.status_code == 404
