"""Tests of steps 2 and 3: an order is polled until SCM decides, and fetched through the licence gate."""

import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

from certline.models import Certificate, Command, CommandStatus, OrderStatus, PrivateKey
from certline.models.audit.identity import Identity
from certline.models.audit.log import history
from certline.producers.requests.license import set_license
from certline.workers.keys import key_pair
from certline.workers.keys.chain import Chain
from certline.workers.keys.keystore import pkcs12 as make_pkcs12
from tests.integration.workers.conftest import Bench


def sent(bench: Bench, **changes: Any) -> Command:
    """Place and send an order."""
    command = bench.place(**changes)
    bench.run(command.id)
    return command


def until_stored(bench: Bench) -> None:
    """Run everything that is open as far as it goes."""
    for _ in range(4):
        bench.make_due()
        bench.run_due()


@pytest.mark.parametrize("decision", ["decline", "reject"])
def test_an_order_that_scm_turns_down_is_rejected(bench: Bench, decision: str) -> None:
    bench.settings(issue_after_ms=3_600_000, auto_approve=decision == "reject")
    command = sent(bench)

    bench.decide(bench.order(command).scm_id, decision)
    until_stored(bench)

    assert bench.order(command).status is OrderStatus.REJECTED
    assert bench.command(command.id).status is CommandStatus.FAILED


def test_an_order_that_waits_for_approval_is_asked_for_ever_more_rarely(bench: Bench) -> None:
    bench.settings(auto_approve=False)
    command = sent(bench)

    waits = []
    for _ in range(3):
        bench.make_due()
        bench.run_due()
        order = bench.order(command)
        assert order.next_poll_at is not None
        waits.append(order.polls)

    assert waits == [1, 2, 3]
    assert order.status is OrderStatus.PENDING
    assert order.scm_status == "Requested"
    bench.decide(order.scm_id, "approve")
    until_stored(bench)
    assert bench.order(command).status is OrderStatus.STORED


@pytest.mark.parametrize("path", [r"/ssl/v1/\d+$", "collect"])
def test_a_read_that_fails_with_plain_text_is_tried_again(bench: Bench, path: str) -> None:
    command = sent(bench)
    bench.fault("GET", path, "status", status=503, body="upstream connect error")

    until_stored(bench)
    until_stored(bench)

    assert bench.order(command).status is OrderStatus.STORED


def test_a_status_that_nobody_knows_is_pending_and_is_told_once(bench: Bench) -> None:
    command = sent(bench)
    order = bench.order(command)
    odd = json.dumps({"id": order.scm_id, "sslId": order.scm_id, "status": "Simmering"})
    for _ in range(2):
        bench.fault("GET", r"/ssl/v1/\d+$", "status", status=200, body=odd)
        bench.make_due()
        bench.run_due()

    with bench.database.transaction() as db:
        warnings = [
            event for event in history(db, order.id) if event.type == "order.unknown_status"
        ]
    assert bench.order(command).status is OrderStatus.PENDING
    assert bench.order(command).scm_status == "Simmering"
    assert len(warnings) == 1
    until_stored(bench)
    assert bench.order(command).status is OrderStatus.STORED


def test_a_record_that_scm_denies_is_put_before_a_person(bench: Bench) -> None:
    command = sent(bench)
    denial = '{"code": -5101, "description": "Certificate not found"}'
    bench.fault("GET", r"/ssl/v1/\d+$", "status", status=404, body=denial)

    until_stored(bench)

    assert bench.order(command).status is OrderStatus.REVIEW
    assert bench.command(command.id).status is CommandStatus.REVIEW
    assert "not found" in (bench.order(command).error or "").lower()


@pytest.mark.parametrize(("algorithm", "size"), [("EC", "P-256"), ("EC", "P-384"), ("RSA", "2048")])
def test_the_stored_certificate_is_for_the_key_of_its_order(
    bench: Bench, algorithm: str, size: str
) -> None:
    command = sent(bench, key_algorithm=algorithm, key_size=size)

    until_stored(bench)

    with bench.database.transaction() as db:
        certificate = db.get_one(Certificate, bench.order(command).certificate_id)
        key = db.get_one(PrivateKey, certificate.key_id)
    private = key_pair.from_pem(bench.line.vault.open(key.pem_sealed))
    chain = Chain(
        x509.load_pem_x509_certificate(certificate.leaf.encode()),
        tuple(x509.load_pem_x509_certificate(pem.encode()) for pem in certificate.issuers),
    )
    keystore = make_pkcs12(private, chain, certificate.common_name, "a password")
    loaded = pkcs12.load_pkcs12(keystore, b"a password")

    assert chain.leaf.public_key() == private.public_key()
    assert loaded.key is not None
    assert (certificate.key_algorithm, certificate.key_size) == (algorithm, size)
    for below, above in zip((chain.leaf, *chain.issuers), chain.issuers, strict=False):
        below.verify_directly_issued_by(above)


def test_without_room_an_order_is_held_and_goes_on_by_itself_when_there_is(bench: Bench) -> None:
    set_license(bench.database, 1, requested_by=Identity("os:test"))
    commands = [
        sent(bench, common_name=f"{name}.nordhafen.example") for name in ("one", "two", "three")
    ]
    until_stored(bench)
    statuses = sorted(bench.order(command).status.value for command in commands)
    assert statuses == ["held", "held", "stored"]
    assert sorted(bench.command(command.id).status.value for command in commands) == [
        "done",
        "held",
        "held",
    ]

    use, released = set_license(bench.database, 3, requested_by=Identity("os:test"))
    until_stored(bench)

    assert (released, use.available) == (2, 0)
    assert {bench.order(command).status for command in commands} == {OrderStatus.STORED}


def test_the_oldest_held_order_goes_first(bench: Bench) -> None:
    set_license(bench.database, 0, requested_by=Identity("os:test"))
    first, second = (
        sent(bench, common_name=f"{name}.nordhafen.example") for name in ("old", "young")
    )
    until_stored(bench)

    set_license(bench.database, 1, requested_by=Identity("os:test"))
    until_stored(bench)

    assert bench.order(first).status is OrderStatus.STORED
    assert bench.order(second).status is OrderStatus.HELD
