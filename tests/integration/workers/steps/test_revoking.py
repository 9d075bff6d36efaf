"""Tests of revocation: it reaches the intended certificate only, and is recorded only where SCM confirms it."""

import json
from typing import Any

import pytest
from sqlalchemy import select

from certline.models import (
    AccountStatus,
    Certificate,
    CertificateStatus,
    Command,
    CommandStatus,
    Outbox,
)
from certline.models.audit.identity import Identity
from certline.models.commands.kinds import KINDS
from certline.models.states import Queue
from certline.models.validation import BadCommandError
from certline.producers.requests.accounts import lift_suspension
from certline.producers.requests.commands import retry
from certline.workers.runtime.outcomes import MOST_TRIES
from certline.workers.scm.inputs import reason_word
from tests.integration.workers.conftest import Bench
from tests.integration.workers.succession import (
    asked_from_outside,
    done_by_a_stranger,
    events_of,
    go_on,
    now,
    revocation,
    status_at_scm,
    stored,
)

REVOKE = "POST /ssl/v1/revoke/serial/{serial}"
NOT_ISSUED = '{"code": -102, "description": "Only issued certificates could be revoked."}'


def test_a_certificate_is_revoked_with_date_reason_and_comments(bench: Bench) -> None:
    certificate = stored(bench)
    with bench.database.transaction() as db:
        db.get_one(Certificate, certificate.id).auto_renew = True

    command = revocation(bench, certificate, reason_code="key-compromise", comments="stolen")
    ended = bench.run(command.id)

    revoked = now(bench, certificate)
    assert ended.status is CommandStatus.DONE
    assert ended.result == {
        "certificate_id": certificate.id,
        "serial_number": certificate.serial_number,
        "certificate_status": "revoked",
        "already_revoked": False,
    }
    assert (revoked.status, revoked.revocation_reason) == ("revoked", "key-compromise")
    assert revoked.revoked_at is not None
    assert not revoked.auto_renew
    assert status_at_scm(bench, certificate) == "Revoked"
    (event,) = [each for each in events_of(bench, certificate.id) if "revoked" in each.type]
    assert (event.who, event.why, event.data["reason_code"]) == (
        "os:ida",
        "stolen",
        "key-compromise",
    )


def test_others_hear_of_a_revocation(bench: Bench) -> None:
    certificate = stored(bench)
    command = revocation(bench, certificate)
    bench.run(command.id)

    with bench.database.transaction() as db:
        query = select(Outbox).where(Outbox.routing_key == "certificate.revoked")
        event = db.scalars(query).one().body
    assert event["correlationid"] == command.id
    assert event["subject"] == certificate.id
    assert event["data"]["serial_number"] == certificate.serial_number


def test_a_revocation_has_a_queue_that_no_bulk_work_shares() -> None:
    managed = [name for name, kind in KINDS.items() if kind.queue is Queue.MANAGE]
    assert managed == ["revoke", "cancel", "delete"]


def test_a_certificate_is_revoked_once_and_the_second_time_counts_as_done(bench: Bench) -> None:
    certificate = stored(bench)
    first, second = revocation(bench, certificate), revocation(bench, certificate)

    bench.run(first.id)
    ended = bench.run(second.id)

    assert ended.status is CommandStatus.DONE
    assert (ended.result or {})["already_revoked"]
    assert bench.calls(REVOKE) == 1


@pytest.mark.parametrize("switches", [{}, {"reason_code_as_text": True}], ids=str)
def test_what_somebody_else_has_revoked_is_written_down_as_scm_has_it(
    bench: Bench, switches: dict[str, Any]
) -> None:
    certificate = stored(bench)
    body = {"reasonCode": 4, "reason": "portal"}
    done_by_a_stranger(bench, f"/ssl/v1/revoke/{certificate.scm_id}", body)
    bench.settings(**switches)

    ended = bench.run(revocation(bench, certificate).id)

    assert ended.status is CommandStatus.DONE
    assert (ended.result or {})["already_revoked"]
    assert now(bench, certificate).revocation_reason == "superseded"
    assert "already been revoked at SCM" in (events_of(bench, certificate.id)[-1].why or "")


@pytest.mark.parametrize("spelling", ["1", "KEY_COMPROMISE", "Key Compromise", "key-compromise"])
def test_scms_reason_is_read_however_it_is_written(spelling: str) -> None:
    assert reason_word(spelling) == "key-compromise"
    assert reason_word("") == "unspecified"


def test_only_issued_is_not_believed_of_what_scm_shows_as_issued(bench: Bench) -> None:
    certificate = stored(bench)
    bench.fault("POST", "revoke", "status", status=400, body=NOT_ISSUED)

    ended = bench.run(revocation(bench, certificate).id)

    assert ended.status is CommandStatus.FAILED
    assert "its status at SCM is Issued, so it is not revoked" in (ended.error or "")
    assert now(bench, certificate).status is CertificateStatus.ACTIVE


def test_what_has_expired_cannot_be_revoked(bench: Bench) -> None:
    certificate = stored(bench)
    bench.decide(certificate.scm_id, "expire")

    ended = bench.run(revocation(bench, certificate).id)

    assert ended.status is CommandStatus.FAILED
    assert "its status at SCM is Expired" in (ended.error or "")


def test_what_scm_does_not_know_fails_in_scms_words(bench: Bench) -> None:
    certificate = stored(bench)
    with bench.database.transaction() as db:
        db.get_one(Certificate, certificate.id).serial_number = "abc"

    ended = bench.run(revocation(bench, certificate).id)

    assert ended.status is CommandStatus.FAILED
    assert "-124" in (ended.error or "")


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "garbage", "status"])
def test_a_revocation_whose_outcome_is_unknown_is_simply_tried_again(
    bench: Bench, kind: str
) -> None:
    certificate = stored(bench)
    bench.fault("POST", "revoke", kind)
    command = revocation(bench, certificate, reason_code="superseded")

    waiting = bench.run(command.id)
    assert waiting.status is CommandStatus.QUEUED
    assert now(bench, certificate).status is CertificateStatus.ACTIVE
    go_on(bench, 1)

    assert bench.command(command.id).status is CommandStatus.DONE
    assert now(bench, certificate).revocation_reason == "superseded"
    assert status_at_scm(bench, certificate) == "Revoked"


def test_after_too_many_tries_a_person_decides_and_can_have_it_tried_again(bench: Bench) -> None:
    certificate = stored(bench)
    command = revocation(bench, certificate)
    with bench.database.transaction() as db:
        db.get_one(Command, command.id).attempts = MOST_TRIES - 1
    busy = json.dumps({"code": -618, "description": "Busy"})
    bench.fault("POST", "revoke", "status", status=400, body=busy)

    ended = bench.run(command.id)

    assert ended.status is CommandStatus.REVIEW
    assert "Busy" in (ended.error or "")
    retry(bench.database, ended, requested_by=Identity("os:ida"))
    assert bench.run(command.id).status is CommandStatus.DONE


def test_a_refused_login_suspends_the_account_and_the_revocation_goes_on_when_it_is_lifted(
    bench: Bench,
) -> None:
    certificate = stored(bench)
    command = revocation(bench, certificate)
    bench.fault("POST", "revoke", "status", status=401)

    bench.run(command.id)
    assert bench.account().status is AccountStatus.SUSPENDED
    with bench.database.transaction() as db:
        lift_suspension(db, db.merge(bench.account()), who=Identity("os:ida"))

    assert bench.run(command.id).status is CommandStatus.DONE


def test_another_system_revokes_by_the_order(bench: Bench) -> None:
    certificate = stored(bench)
    data = {"order": f"scm:{certificate.scm_id}", "comments": "gone", "reason_code": "superseded"}

    command = asked_from_outside(bench, "revoke", data)

    assert bench.run(command.id).status is CommandStatus.DONE
    assert bench.command(command.id).subject == certificate.id
    assert now(bench, certificate).revocation_reason == "superseded"


def test_an_order_without_a_certificate_has_nothing_to_revoke(bench: Bench) -> None:
    order = bench.order(bench.place())

    command = asked_from_outside(bench, "revoke", {"order": order.id, "comments": "gone"})

    ended = bench.run(command.id)
    assert ended.status is CommandStatus.FAILED
    assert "has no certificate here" in (ended.error or "")


def test_a_certificate_of_another_account_is_not_revoked(bench: Bench) -> None:
    certificate = stored(bench)

    with pytest.raises(BadCommandError, match="belongs to 'demo', not 'acme'"):
        revocation(bench, certificate, account="acme")
