"""Tests of reissues: the sslId stays, only the certificate with the new key is stored, and the old one is kept."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from certline.models import (
    Certificate,
    CertificateStatus,
    Command,
    CommandStatus,
    CommandType,
    Order,
    OrderKind,
    OrderStatus,
)
from certline.models.ciphers.place import IN_HAND
from certline.models.commands.command import open_step
from certline.models.database.session import clock
from certline.models.lifecycle.moves import follow_with
from certline.models.validation import BadCommandError
from certline.workers.keys import key_pair
from certline.workers.keys.csr import sign_request
from certline.workers.steps.fetch import STILL_THE_OLD_ONE, wait_after
from tests.integration.workers.conftest import Bench
from tests.integration.workers.succession import (
    HOUR,
    MOODS,
    REPLACE,
    all_certificates,
    asked_from_outside,
    certificate_of,
    done_by_a_stranger,
    go_on,
    now,
    reissue,
    renewal,
    stored,
    until_stored,
)
from tests.support.sealed_rows import opened


@pytest.mark.parametrize("mood", MOODS, ids=str)
def test_only_the_certificate_with_the_new_key_is_stored(
    bench: Bench, mood: dict[str, Any]
) -> None:
    old = stored(bench)
    bench.settings(**mood | {"issue_after_ms": 300})

    command = reissue(bench, old)
    until_stored(bench, command)

    new, order = certificate_of(bench, command), bench.order(command)
    assert (order.kind, order.scm_id) == (OrderKind.REISSUE, old.scm_id)
    assert new.serial_number != old.serial_number
    assert new.key_id == order.key_id != old.key_id
    assert (new.scm_id, new.line_id, new.supersedes_id) == (old.scm_id, old.line_id, old.id)
    assert new.not_after == old.not_after
    assert now(bench, old).status is CertificateStatus.SUPERSEDED
    assert len(all_certificates(bench)) == 2
    assert bench.calls(REPLACE) == 1


def test_a_reissue_changes_what_it_names_and_keeps_the_rest(bench: Bench) -> None:
    old = stored(bench, sans=["api.nordhafen.example"])

    command = reissue(
        bench,
        old,
        common_name="web.nordhafen.example",
        key_algorithm="RSA",
        keystore_type="PEM",
    )
    go_on(bench)

    new = certificate_of(bench, command)
    assert new.common_name == "web.nordhafen.example"
    assert new.sans == ["web.nordhafen.example", "api.nordhafen.example"]
    assert (new.key_algorithm, new.key_size, new.keystore_type) == ("RSA", "2048", "PEM")
    passwords = [opened(bench.line.vault, row, "keystore_password_sealed") for row in (old, new)]
    assert passwords[0] != passwords[1]


def test_a_reissue_takes_its_further_names_and_a_password_that_is_given(bench: Bench) -> None:
    old = stored(bench, sans=["api.nordhafen.example"])
    sealed = bench.line.vault.seal(b"hunter2hunter2", IN_HAND).decode()

    command = reissue(bench, old, sans=["new.nordhafen.example"], keystore_password_sealed=sealed)
    go_on(bench)

    new = certificate_of(bench, command)
    assert new.sans == ["www.nordhafen.example", "new.nordhafen.example"]
    assert opened(bench.line.vault, new, "keystore_password_sealed") == b"hunter2hunter2"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"common_name": "www.example.org"}, "www.example.org is not in any domain"),
        ({"sans": ["asleep.example"]}, "asleep.example is suspended"),
        ({"key_algorithm": "EC", "key_size": "2048"}, "2048 is not a size of EC"),
    ],
)
def test_a_reissue_is_checked_before_anything_is_stored(
    bench: Bench, change: dict[str, Any], told: str
) -> None:
    old = stored(bench)

    with pytest.raises(BadCommandError, match=told):
        reissue(bench, old, **change)

    assert bench.calls(REPLACE) == 0


def test_a_second_reissue_names_the_one_that_is_open(bench: Bench) -> None:
    old = stored(bench)
    first, second = reissue(bench, old), reissue(bench, old)

    go_on(bench)

    assert first.subject == second.subject
    assert bench.calls(REPLACE) == 1


def test_a_line_is_not_reissued_while_it_is_renewed(bench: Bench) -> None:
    old = stored(bench)
    going = renewal(bench, old)

    with pytest.raises(BadCommandError, match=f"order {going.subject} .renewal, placed"):
        reissue(bench, old)


def test_the_old_certificate_is_asked_for_ever_more_rarely_and_then_a_person_looks(
    bench: Bench,
) -> None:
    old = stored(bench)
    bench.settings(replace_status="Issued", replace_collects_old=True, issue_after_ms=HOUR)
    command = reissue(bench, old)
    go_on(bench)
    assert bench.order(command).status is OrderStatus.ISSUED
    with bench.database.transaction() as db:
        issued = clock(db, -STILL_THE_OLD_ONE - timedelta(minutes=1))
        db.execute(
            update(Order).where(Order.id == bench.order(command).id).values(issued_at=issued)
        )

    go_on(bench)

    assert bench.order(command).status is OrderStatus.REVIEW
    assert "public key" in (bench.order(command).error or "")
    assert [each.id for each in all_certificates(bench)] == [old.id]
    assert now(bench, old).status is CertificateStatus.ACTIVE


def test_the_pauses_grow_with_the_time_that_has_passed_up_to_an_hour() -> None:
    first = timedelta(seconds=10)
    waited = (timedelta(0), timedelta(minutes=2), timedelta(hours=1), timedelta(hours=20))

    assert [wait_after(each, first) for each in waited] == [
        first,
        timedelta(minutes=1),
        timedelta(minutes=30),
        timedelta(hours=1),
    ]


@pytest.mark.parametrize(
    "refusal",
    [
        '{"code": -1148, "description": "Auto-installed certificates cannot be replaced."}',
        '{"code": -130, "description": "The state of the certificate is not ISSUED."}',
    ],
)
def test_what_scm_does_not_make_anew_is_rejected_with_its_words_and_advice(
    bench: Bench, refusal: str
) -> None:
    old = stored(bench)
    bench.fault("POST", "replace", "status", status=400, body=refusal)

    command = reissue(bench, old)
    bench.run(command.id)

    error = bench.order(command).error or ""
    assert bench.order(command).status is OrderStatus.REJECTED
    assert "Auto-installed" in error or "not ISSUED" in error
    assert "[" in error
    assert now(bench, old).status is CertificateStatus.ACTIVE
    assert reissue(bench, old).status is CommandStatus.QUEUED


def test_what_is_being_made_anew_already_is_not_asked_for_again(bench: Bench) -> None:
    old = stored(bench)
    bench.settings(issue_after_ms=HOUR)
    replaced_by_a_stranger(bench, old)

    command = reissue(bench, old)
    bench.run(command.id)

    assert bench.order(command).status is OrderStatus.REJECTED
    assert "already reissuing" in (bench.order(command).error or "")
    assert bench.calls(REPLACE) == 1


def test_each_version_is_stored_once_and_one_of_them_is_active(bench: Bench) -> None:
    newest = stored(bench)
    for _ in range(2):
        command = reissue(bench, newest)
        go_on(bench)
        newest = certificate_of(bench, command)
        again = fetched_again(bench, command)
        assert again.status is CommandStatus.DONE

    found = all_certificates(bench)
    assert len({(each.scm_id, each.serial_number) for each in found}) == len(found) == 3
    assert sorted(each.status for each in found) == ["active", "superseded", "superseded"]


def test_a_reissue_that_another_system_asks_for_is_placed_by_the_worker(bench: Bench) -> None:
    old = stored(bench)
    data = {"certificate": old.serial_number, "reason": "moved", "account": "demo"}

    command = asked_from_outside(bench, "reissue", data)
    bench.run(command.id)
    go_on(bench)

    assert certificate_of(bench, command).supersedes_id == old.id


def replaced_by_a_stranger(bench: Bench, old: Certificate) -> None:
    """Reissue the certificate as another client of SCM."""
    key = key_pair.generate("EC", "P-256")
    csr = sign_request(key, old.common_name, [])
    body = {"csr": csr, "reason": "portal"}
    done_by_a_stranger(bench, f"/ssl/v1/replace/{old.scm_id}", body)


def fetched_again(bench: Bench, command: Command) -> Command:
    """Fetch the order's certificate once more, as a late message does."""
    order = bench.order(command)
    with bench.database.transaction() as db:
        follow_with(db, order, CommandType.FETCH)
        fetch = open_step(db, CommandType.FETCH, order.id)
        assert fetch is not None
    return bench.run(fetch.id)
