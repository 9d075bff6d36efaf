"""Tests of a CSR supplied by the requester: it must match the order, with a key that is allowed."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import func, select

from certline.models import CommandStatus, Order, OrderStatus, Outbox
from certline.models.validation import BadCommandError
from certline.workers.keys import generate, public_key_sha256, sign_request
from tests.integration.workers.conftest import Bench
from tests.integration.workers.succession import asked_from_outside, go_on
from tests.support.signing_requests import (
    dns,
    extensions,
    in_pem,
    os_version,
    request,
)

NAME = "www.nordhafen.example"


def test_an_order_with_its_own_request_is_stored_without_a_key(bench: Bench) -> None:
    key = generate("EC", "P-256")
    command = bench.place(csr=sign_request(key, NAME, []))
    go_on(bench)

    order = bench.order(command)
    assert order.status is OrderStatus.STORED
    assert order.key_id is None
    assert order.public_key_sha256 == public_key_sha256(key.public_key())


def test_a_request_for_another_name_is_refused(bench: Bench) -> None:
    csr = sign_request(generate("EC", "P-256"), "shop.nordhafen.example", [])

    with pytest.raises(BadCommandError, match="it is for shop"):
        bench.place(csr=csr)


def test_a_request_with_a_name_that_was_not_ordered_is_refused(bench: Bench) -> None:
    csr = sign_request(generate("EC", "P-256"), NAME, ["shop.nordhafen.example"])

    with pytest.raises(BadCommandError, match="not in the order: shop"):
        bench.place(csr=csr)
    bench.place(csr=csr, sans=["shop.nordhafen.example"])


def test_another_systems_request_is_refused_too_and_nothing_is_placed(bench: Bench) -> None:
    data = {
        "common_name": NAME,
        "organization": "Nordhafen University",
        "profile": "OV Multi-Domain SSL",
        "term": 90,
    }
    for csr, why in (
        (sign_request(generate("EC", "P-256"), "shop.nordhafen.example", []), "the order is for"),
        (
            sign_request(ec.generate_private_key(ec.SECP521R1()), NAME, []),
            "does not allow EC P-521",
        ),
    ):
        ended = bench.run(asked_from_outside(bench, "order", data | {"csr": csr}).id)

        assert ended.status is CommandStatus.FAILED
        assert why in (ended.error or "")
    with bench.database.transaction() as db:
        assert db.scalar(select(func.count()).select_from(Order)) == 0


@pytest.mark.parametrize(
    "der",
    [
        request(without_attributes=True, subject=[("2.5.4.3", NAME)]),
        request(extensions(dns(NAME)), os_version(), subject=[("2.5.4.3", NAME)]),
    ],
    ids=["no attributes", "unsorted"],
)
def test_scm_is_sent_the_request_alone_although_cryptography_does_not_read_it(
    bench: Bench, der: bytes
) -> None:
    command = bench.place(csr=f"Certificate Request:\n  Ünicode\n{in_pem(der)}thanks\n")
    go_on(bench)

    order = bench.order(command)
    assert order.status is OrderStatus.STORED
    assert order.csr == in_pem(der) == bench.command(command.id).payload["csr"]


@pytest.mark.parametrize(
    "data",
    [{"csr": in_pem(request(version=2))}, {"csr": "hello"}, {"csr": 7}, {"term": "soon"}],
    ids=["version", "text", "number", "term"],
)
def test_a_stored_command_that_cannot_be_read_fails_at_its_first_start_and_tells_its_sender(
    bench: Bench, data: dict[str, object]
) -> None:
    order = {"common_name": NAME, "organization": "1", "profile": "1", "term": 90}
    command = asked_from_outside(bench, "order", order | data)

    ended = bench.run(command.id)

    assert (ended.status, ended.attempts) == (CommandStatus.FAILED, 1)
    assert (ended.error or "").startswith(f"{next(iter(data))}: ")
    with bench.database.transaction() as db:
        told = [row.body.get("type") for row in db.scalars(select(Outbox))]
    assert "command.failed" in told
