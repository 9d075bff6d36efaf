"""Tests of a reissue that revokes the previous certificate later, never before the new one is stored."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from certline.models import CertificateStatus, Command, CommandStatus, CommandType, OrderStatus
from certline.models.audit.identity import Identity
from certline.models.commands.payloads import ReissueCommand, read_payload
from certline.models.validation import BadCommandError
from certline.producers.requests.accounts import lift_suspension
from tests.integration.workers.conftest import Bench
from tests.integration.workers.succession import (
    certificate_of,
    events_of,
    go_on,
    now,
    reissue,
    stored,
    until_stored,
)
from tests.servers import until


def revocations(bench: Bench) -> list[Command]:
    with bench.database.transaction() as db:
        return list(db.scalars(select(Command).where(Command.type == CommandType.REVOKE)))


def reissued_and_nothing_else(bench: Bench, command: Command) -> None:
    """Run the reissue until it is stored, without making the revocation due."""

    def is_stored() -> bool:
        with bench.database.transaction() as db:
            for row in db.scalars(select(Command).where(Command.type != CommandType.REVOKE)):
                row.not_before = row.created_at
        bench.run_due()
        return bench.order(command).status is OrderStatus.STORED

    until(is_stored, 30)


def test_the_old_one_is_revoked_by_its_serial_number_when_its_time_has_come(bench: Bench) -> None:
    old = stored(bench)
    command = reissue(bench, old, revoke_old_after="7d", reason="another key")
    reissued_and_nothing_else(bench, command)
    new = certificate_of(bench, command)

    (waiting,) = revocations(bench)
    bench.run_due()
    assert now(bench, old).status is CertificateStatus.SUPERSEDED
    assert waiting.not_before - waiting.created_at == timedelta(days=7)
    assert waiting.payload["reason_code"] == "superseded"
    bench.make_due()
    ended = bench.run(waiting.id)

    assert ended.status is CommandStatus.DONE
    assert (ended.result or {})["serial_number"] == old.serial_number
    assert now(bench, old).revocation_reason == "superseded"
    assert now(bench, new).status is CertificateStatus.ACTIVE
    assert "certificate.to_be_revoked" in {event.type for event in events_of(bench, old.id)}
    assert ended.correlation_id == command.id


def test_nothing_is_revoked_where_nothing_was_said(bench: Bench) -> None:
    until_stored(bench, reissue(bench, stored(bench)))

    assert revocations(bench) == []


def test_nothing_is_revoked_where_the_reissue_failed(bench: Bench) -> None:
    old = stored(bench)
    refusal = '{"code": -1148, "description": "Replace is forbidden for auto-installed."}'
    bench.fault("POST", "replace", "status", status=400, body=refusal)

    command = reissue(bench, old, revoke_old_after=0)
    go_on(bench)

    assert bench.order(command).status is OrderStatus.REJECTED
    assert "automatically installed certificate" in (bench.order(command).error or "")
    assert revocations(bench) == []
    assert now(bench, old).status is CertificateStatus.ACTIVE


def test_an_account_that_is_verified_does_not_bring_it_forward(bench: Bench) -> None:
    command = reissue(bench, stored(bench), revoke_old_after="7d")
    reissued_and_nothing_else(bench, command)
    (before,) = revocations(bench)

    with bench.database.transaction() as db:
        lift_suspension(db, db.merge(bench.account()), who=Identity("os:ida"))

    assert revocations(bench)[0].not_before == before.not_before


@pytest.mark.parametrize(
    ("given", "seconds"), [(0, 0), ("0", 0), ("90m", 5400), ("12h", 43_200), ("7d", 604_800)]
)
def test_a_duration_has_a_unit_or_is_in_seconds(given: object, seconds: int) -> None:
    data = {"certificate": "x", "reason": "y", "revoke_old_after": given}
    assert read_payload(ReissueCommand, data).model_dump()["revoke_old_after"] == seconds


@pytest.mark.parametrize("given", ["", "soon", "-1d", "7 d ays", "399d", True, 1.5])
def test_what_is_no_duration_is_refused(given: object) -> None:
    data = {"certificate": "x", "reason": "y", "revoke_old_after": given}
    with pytest.raises(BadCommandError, match="revoke_old_after"):
        read_payload(ReissueCommand, data)
