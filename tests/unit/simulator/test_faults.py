"""Tests of faults: what a client sees on the wire, and what SCM did meanwhile."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.unit.simulator.customer import LOGIN, TIMEOUT, Customer, order

ENROLL = "/ssl/v1/enroll$"


def test_a_call_dropped_before_did_nothing(scm: Customer) -> None:
    scm.fault("drop_before", ENROLL)

    with pytest.raises(requests.ConnectionError):
        scm.post("/ssl/v1/enroll", order())

    assert scm.orders() == []


def test_a_call_dropped_after_was_carried_out(scm: Customer) -> None:
    scm.fault("drop_after", ENROLL)

    with pytest.raises(requests.ConnectionError):
        scm.post("/ssl/v1/enroll", order(comments="[ref:1]"))

    assert [record["comments"] for record in scm.orders()] == ["[ref:1]"]


def test_a_dropped_connection_was_one_that_is_kept_alive(scm: Customer) -> None:
    with requests.Session() as session:
        session.headers.update(LOGIN)
        assert session.get(f"{scm.url}/ssl/v1", timeout=TIMEOUT).status_code == 200
        scm.fault("drop_before", "/ssl/v1$", method="GET")

        with pytest.raises(requests.ConnectionError):
            session.get(f"{scm.url}/ssl/v1", timeout=TIMEOUT)

        assert session.get(f"{scm.url}/ssl/v1", timeout=TIMEOUT).status_code == 200


def test_a_status_is_answered_instead_of_the_call(scm: Customer) -> None:
    scm.fault("status", ENROLL, status=503, body="maintenance", retry_after=7)

    answer = scm.post("/ssl/v1/enroll", order())

    assert (answer.status_code, answer.text) == (503, "maintenance")
    assert answer.headers["Retry-After"] == "7"
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert scm.orders() == []


def test_a_503_without_a_body_has_the_words_of_the_proxy(scm: Customer) -> None:
    scm.fault("status", ENROLL)

    assert scm.post("/ssl/v1/enroll", order()).text.startswith("upstream connect error")


def test_a_json_body_of_a_fault_is_sent_as_json(scm: Customer) -> None:
    scm.fault("status", ENROLL, status=400, body='{"code":-195,"description":"later"}')

    assert scm.post("/ssl/v1/enroll", order()).json()["code"] == -195


def test_a_delayed_call_takes_its_time_and_holds_up_no_other(scm: Customer) -> None:
    scm.fault("delay", ENROLL, delay_ms=1000)

    with pytest.raises(requests.ReadTimeout):
        requests.post(f"{scm.url}/ssl/v1/enroll", json=order(), headers=LOGIN, timeout=0.2)

    assert scm.get("/ssl/v1").status_code == 200


def test_a_delayed_call_does_not_outlive_a_reset(scm: Customer) -> None:
    scm.fault("delay", ENROLL, delay_ms=500)
    with ThreadPoolExecutor() as pool:
        delayed = pool.submit(scm.post, "/ssl/v1/enroll", order())
        deadline = time.monotonic() + 10
        while not scm.door("GET", "/calls").json():
            assert time.monotonic() < deadline
        scm.door("POST", "/reset")

        assert isinstance(delayed.exception(), requests.ConnectionError)

    assert scm.orders() == []


def test_a_slow_order_is_taken_in_though_its_caller_has_gone(scm: Customer) -> None:
    scm.fault("drop_after", ENROLL, delay_ms=400)
    with pytest.raises(requests.ReadTimeout):
        requests.post(f"{scm.url}/ssl/v1/enroll", json=order(), headers=LOGIN, timeout=0.1)
    assert scm.orders() == []

    deadline = time.monotonic() + 10
    while not scm.orders():
        assert time.monotonic() < deadline

    assert len(scm.orders()) == 1


def test_latency_is_added_to_every_call(scm: Customer) -> None:
    scm.set(latency_ms=80)

    begun = time.monotonic()
    scm.get("/ssl/v1")

    assert time.monotonic() - begun >= 0.08


def test_garbage_is_a_200_that_is_no_json_after_the_call_was_carried_out(scm: Customer) -> None:
    scm.fault("garbage", ENROLL)

    answer = scm.post("/ssl/v1/enroll", order())

    assert answer.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answer.json()
    assert len(scm.orders()) == 1


def test_a_truncated_answer_promises_more_than_comes(scm: Customer) -> None:
    scm.fault("truncate", ENROLL)

    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        scm.post("/ssl/v1/enroll", order())

    assert len(scm.orders()) == 1


def test_an_answer_without_a_body_can_be_truncated_too(scm: Customer) -> None:
    ssl_id = scm.issued()
    scm.fault("truncate", "/revoke/")

    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        scm.post(f"/ssl/v1/revoke/{ssl_id}", {"reasonCode": 4, "reason": "x"})

    assert scm.details(ssl_id)["status"] == "Revoked"


def test_a_fault_meets_its_method_and_path_so_many_times(scm: Customer) -> None:
    scm.fault("status", "/ssl/v1$", method="GET", times=2)

    codes = [scm.get("/ssl/v1").status_code for _ in range(3)]

    assert scm.get("/organization/v1").status_code == 200
    assert codes == [503, 503, 200]
    assert scm.door("GET", "/faults").json() == []


def test_a_fault_without_an_end_stays_until_it_is_taken_back(scm: Customer) -> None:
    scm.fault("status", "/ssl/v1", times=None)

    assert [scm.get("/ssl/v1").status_code for _ in range(3)] == [503, 503, 503]
    assert scm.door("DELETE", "/faults").status_code == 204
    assert scm.get("/ssl/v1").status_code == 200


def test_faults_happen_in_the_order_they_were_given(scm: Customer) -> None:
    scm.fault("status", "/ssl/v1", status=500)
    scm.fault("status", "/ssl/v1", status=502)

    assert [scm.get("/ssl/v1").status_code for _ in range(3)] == [500, 502, 200]


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "meteor"},
        {"path": "x"},
        {"kind": "status", "path": "("},
        {"kind": "status", "colour": "red"},
        {"kind": "status", "status": 20},
        {"kind": "status", "times": "twice"},
        "status",
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(scm: Customer, wrong: object) -> None:
    assert scm.door("POST", "/faults", [wrong]).status_code == 400


def test_a_rate_limit_answers_429_and_when_to_come_back(scm: Customer) -> None:
    scm.set(rate_limit_per_s=1)

    answers = [scm.get("/ssl/v1") for _ in range(5)]

    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
    assert answers[0].status_code == 200
