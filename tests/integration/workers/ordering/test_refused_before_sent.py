"""Tests that what SCM would refuse is refused before it is sent, with one answer at every door."""

from collections.abc import Callable
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select, update

from certline.models import CommandStatus, Domain, Order, OrderStatus, Profile
from certline.models.audit.identity import Identity
from certline.models.commands.payloads import OrderCommand, ReissueCommand, RenewCommand
from certline.models.validation import BadCommandError
from certline.producers.requests.certificates import request_successor
from certline.producers.requests.orders import check_order, request_order
from certline.workers.keys import sign_request
from tests.integration.workers.conftest import Bench
from tests.integration.workers.succession import LOGIN, asked_from_outside, go_on, stored

ENROLL = "POST /ssl/v1/enroll"
WANTED = {
    "common_name": "www.nordhafen.example",
    "organization": "Nordhafen University",
    "profile": "OV Multi-Domain SSL",
    "term": 90,
}
Given = Callable[[Bench], dict[str, Any]]


def a_wildcard(_: Bench) -> dict[str, Any]:
    return {"common_name": "*.shop.nordhafen.example"}


def a_pending_delegation(bench: Bench) -> dict[str, Any]:
    waits_for_approval(bench, "alumni.example")
    return {"common_name": "alumni.example"}


def a_closed_profile(_: Bench) -> dict[str, Any]:
    return {"organization": "Library", "profile": "OV SSL RSA", "term": 199}


def a_reserved_label(_: Bench) -> dict[str, Any]:
    return {"common_name": "ab--cd.nordhafen.example"}


def a_csr_of_another_curve(_: Bench) -> dict[str, Any]:
    name = WANTED["common_name"]
    return {"csr": sign_request(ec.generate_private_key(ec.SECP521R1()), str(name), [])}


def a_short_password(bench: Bench) -> dict[str, Any]:
    return {"keystore_type": "JKS", "keystore_password_sealed": sealed(bench, "abcde")}


def a_password_with_umlauts(bench: Bench) -> dict[str, Any]:
    return {"keystore_password_sealed": sealed(bench, "schlüssel-Straße-1")}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (a_wildcard, "wildcards of nordhafen.example are not allowed to Nordhafen University"),
        (a_pending_delegation, "alumni.example to Nordhafen University waits for its approval"),
        (a_closed_profile, "profile: SCM does not offer 'OV SSL RSA' to Library"),
        (a_reserved_label, "no CA may issue a certificate for it"),
        (a_csr_of_another_curve, "csr: 'OV Multi-Domain SSL' does not allow EC P-521"),
        (a_short_password, "keystore_password_sealed: the password of a JKS needs at least 6"),
        (a_password_with_umlauts, "keystore_password_sealed: the password of a PKCS#12"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_dry_run_an_order_and_a_message_get_the_same_refusal(
    bench: Bench, given: Given, why: str
) -> None:
    data = WANTED | given(bench)

    with pytest.raises(BadCommandError) as dry_run:
        check_order(bench.database, bench.line.vault, OrderCommand.model_validate(data))
    with pytest.raises(BadCommandError) as typed:
        request_order(
            bench.database,
            bench.line.vault,
            OrderCommand.model_validate(data),
            requested_by=Identity("os:test"),
        )
    message = bench.run(asked_from_outside(bench, "order", data).id)

    assert why in str(dry_run.value)
    assert typed.value.problems == dry_run.value.problems
    assert (message.status, message.error) == (CommandStatus.FAILED, str(dry_run.value))
    assert "abcde" not in (message.error or "")
    assert bench.calls(ENROLL) == 0
    with bench.database.transaction() as db:
        assert db.scalars(select(Order)).all() == []


def test_a_renewal_and_a_reissue_get_that_refusal_too(bench: Bench) -> None:
    old = stored(bench)
    waits_for_approval(bench, "nordhafen.example")
    waits_for_approval(bench, "*.nordhafen.example")

    renewal = {"certificate": old.id}
    reissue = renewal | {"reason": "a test"}
    for asked in (RenewCommand.model_validate(renewal), ReissueCommand.model_validate(reissue)):
        with pytest.raises(BadCommandError, match="waits for its approval at SCM"):
            request_successor(
                bench.database, bench.line.vault, asked, requested_by=Identity("os:test")
            )
    for kind, data in (("renew", renewal), ("reissue", reissue)):
        ended = bench.run(asked_from_outside(bench, kind, data).id)
        assert ended.status is CommandStatus.FAILED
        assert "waits for its approval at SCM" in (ended.error or "")


def test_the_password_of_a_reissue_is_compared_with_the_type_that_the_certificate_has(
    bench: Bench,
) -> None:
    old = stored(bench, keystore_type="JKS", keystore_password_sealed=sealed(bench, "abcdef"))
    data = {
        "certificate": old.id,
        "reason": "a test",
        "keystore_password_sealed": sealed(bench, "abcde"),
    }

    with pytest.raises(BadCommandError, match="of a JKS needs at least 6"):
        request_successor(
            bench.database,
            bench.line.vault,
            ReissueCommand.model_validate(data),
            requested_by=Identity("os:test"),
        )
    ended = bench.run(asked_from_outside(bench, "reissue", data).id)
    assert ended.status is CommandStatus.FAILED
    assert "of a JKS needs at least 6" in (ended.error or "")


def test_a_renewal_does_not_fail_for_a_password_that_was_taken_before(bench: Bench) -> None:
    old = stored(bench)
    with bench.database.transaction() as db:
        row = db.get_one(type(old), old.id)
        row.keystore_password_sealed = bench.line.vault.seal("schlüssel".encode())

    accepted = request_successor(
        bench.database,
        bench.line.vault,
        RenewCommand(certificate=old.id),
        requested_by=Identity("os:test"),
    )

    assert accepted.command.status is CommandStatus.QUEUED


def test_a_message_without_a_key_gets_the_one_that_its_profile_allows(bench: Bench) -> None:
    message = asked_from_outside(bench, "order", WANTED | {"profile": "OV SSL EC"})

    go_on(bench)

    order = bench.order(message)
    assert (order.key_algorithm, order.key_size) == ("EC", "P-256")
    assert order.status is OrderStatus.STORED


def test_where_scm_refuses_what_was_synced_the_sync_is_named(bench: Bench) -> None:
    command = bench.place(common_name="alumni.example")
    url = f"{bench.simulator.url}/domain/v1/40252/suspend"
    requests.put(url, headers=LOGIN, timeout=30).raise_for_status()

    bench.run(command.id)

    order = bench.order(command)
    assert order.status is OrderStatus.REJECTED
    assert "what was synced may be old, so synchronise: certline sync" in (order.error or "")


def test_a_sync_learns_to_whom_a_profile_is_closed(bench: Bench) -> None:
    with bench.database.transaction() as db:
        closed = {row.scm_id: row.closed_to for row in db.scalars(select(Profile))}

    assert closed[21793] == [9101, 9102, 9103, 9301]
    assert closed[21790] == []


def test_an_organisation_of_which_scm_lists_no_profiles_counts_as_not_known(bench: Bench) -> None:
    refused = '{"code": -226, "description": "no privilege"}'
    bench.fault("GET", "/ssl/v1/types$", "status", status=200, body="[]")
    bench.fault("GET", "/ssl/v1/types$", "status", status=400, body=refused)

    ended = bench.sync()

    with bench.database.transaction() as db:
        closed = {row.scm_id: row.closed_to for row in db.scalars(select(Profile))}
    assert ended.status is CommandStatus.DONE
    assert closed[21793] == [9103, 9301]


def sealed(bench: Bench, password: str) -> str:
    return bench.line.vault.seal(password.encode()).decode()


def waits_for_approval(bench: Bench, name: str) -> None:
    """Store, as a sync would, that the delegations of a domain were requested only."""
    with bench.database.transaction() as db:
        row = db.scalars(select(Domain).where(Domain.name == name)).one()
        waiting = [each | {"status": "REQUESTED"} for each in row.delegations]
        db.execute(update(Domain).where(Domain.name == name).values(delegations=waiting))
