"""Tests of batch renewals: each is sent once, at the batch's pace, despite crashes and failures."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from certline.models import (
    BatchStatus,
    Certificate,
    CertificateStatus,
    Command,
    CommandStatus,
    CommandType,
    Order,
    OrderStatus,
    RenewalBatch,
)
from certline.models.audit.identity import Identity
from certline.models.audit.log import history
from certline.models.certificates.backoff import backoff_of
from certline.models.renewals.batch import Counts, Member, State, counts_of, members_of
from certline.producers.renewals.batches import release_due, request_batch, resume
from certline.producers.renewals.verdicts import RenewalChoices, judge_many
from tests.integration.workers.conftest import Bench
from tests.integration.workers.succession import (
    RENEW,
    asked_from_outside,
    certificate_of,
    done_by_a_stranger,
    go_on,
    renewal,
    revocation,
    stored,
)

NAMES = ("www.nordhafen.example", "api.nordhafen.example", "shop.nordhafen.example")


def several(bench: Bench) -> list[Certificate]:
    """Store three certificates."""
    commands = [bench.place(common_name=name) for name in NAMES]
    go_on(bench)
    return [certificate_of(bench, command) for command in commands]


def begin(
    bench: Bench, certificates: Sequence[Certificate], pace: int | None = None, **named: Any
) -> str:
    """Begin a batch of these renewals. Returns its id."""
    reuse_key = named.get("reuse_key", False)
    verdicts = judge_many(bench.database, certificates, RenewalChoices(reuse_key=reuse_key))
    return request_batch(
        bench.database,
        verdicts,
        selection="a test",
        pace=pace,
        choices=RenewalChoices(reuse_key=reuse_key),
        requested_by=Identity("os:ida"),
    ).id


def tick(bench: Bench) -> int:
    """Release due renewals, as a producer does every few seconds. Returns how many were released."""
    return bench.database.run(release_due)


def let_pass(bench: Bench, batch_id: str, time: timedelta) -> None:
    """Let time pass for a batch."""
    with bench.database.transaction() as db:
        batch = db.get_one(RenewalBatch, batch_id)
        batch.next_at -= time


def status_of(bench: Bench, batch_id: str) -> BatchStatus:
    """Return the status of the batch."""
    with bench.database.transaction() as db:
        return db.get_one(RenewalBatch, batch_id).status


def counts(bench: Bench, batch_id: str) -> Counts:
    """Count the batch's members by status."""
    with bench.database.transaction() as db:
        return counts_of(db, [batch_id])[batch_id]


def members(bench: Bench, batch_id: str) -> list[Member]:
    """Return the members, in their order."""
    with bench.database.transaction() as db:
        return members_of(db, batch_id)


def renewals(bench: Bench) -> list[Command]:
    """Return every requested renewal."""
    with bench.database.transaction() as db:
        return list(db.scalars(select(Command).where(Command.type == CommandType.RENEW)))


def test_each_of_a_batch_is_renewed_once_and_the_last_one_ends_it(bench: Bench) -> None:
    batch_id = begin(bench, several(bench))

    go_on(bench)
    tick(bench)

    assert counts(bench, batch_id) == Counts(renewed=3)
    assert bench.calls(RENEW) == 3
    assert status_of(bench, batch_id) is BatchStatus.DONE
    with bench.database.transaction() as db:
        told = [event.type for event in history(db, batch_id)]
    assert told == ["renewal.begun", "renewal.done"]


def test_what_can_not_be_renewed_is_listed_and_the_others_are_renewed(bench: Bench) -> None:
    certificates = several(bench)
    bench.run(revocation(bench, certificates[1]).id)

    batch_id = begin(bench, certificates)
    go_on(bench)

    first, refused, last = members(bench, batch_id)
    assert {first.state, last.state} == {State.RENEWED}
    assert refused.state is State.REFUSED
    assert "is revoked: order a new one" in (refused.reason or "")


def test_a_worker_that_dies_in_the_middle_of_a_batch_neither_loses_nor_repeats_any(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id = begin(bench, several(bench))
    with monkeypatch.context() as patch:
        patch.setattr("certline.workers.runtime.step._end", killed)
        patch.setattr("certline.workers.ordering.submission._record_answer", killed)
        for command in renewals(bench):
            with pytest.raises(KeyboardInterrupt):
                bench.run(command.id)
    assert bench.calls(RENEW) == 3

    with bench.database.transaction() as db:
        db.execute(update(Order).values(sent_at=Order.sent_at - timedelta(hours=1)))
    go_on(bench)
    for command in renewals(bench):
        bench.run(command.id)

    # They were sent, so they rest in `sending` until they are reconciled.
    assert bench.calls(RENEW) == 3
    assert counts(bench, batch_id).running == 3


def killed(*_args: Any, **_named: Any) -> None:
    """Stop as a killed worker does."""
    raise KeyboardInterrupt


def test_a_certificate_in_two_batches_is_renewed_once(bench: Bench) -> None:
    certificates = several(bench)
    first, second = begin(bench, certificates), begin(bench, certificates, pace=1)

    go_on(bench)
    resume(bench.database, second, pace=60_000, who=Identity("os:ida"))
    let_pass(bench, second, timedelta(minutes=1))
    tick(bench)

    assert bench.calls(RENEW) == 3
    assert counts(bench, first) == Counts(renewed=3)
    assert counts(bench, second) == Counts(renewed=1, refused=2)
    assert members(bench, second)[1].reason == "it is superseded by now"


def test_a_renewal_that_is_open_already_is_the_members_own(bench: Bench) -> None:
    certificates = several(bench)
    going = renewal(bench, certificates[0])

    batch_id = begin(bench, certificates)
    go_on(bench)

    assert members(bench, batch_id)[0].order_id == going.subject
    assert counts(bench, batch_id) == Counts(renewed=3)
    assert bench.calls(RENEW) == 3


def test_a_member_that_fails_says_why_and_its_line_waits_for_a_person(bench: Bench) -> None:
    certificates = several(bench)
    done_by_a_stranger(bench, f"/ssl/v1/renewById/{certificates[0].scm_id}", {})

    batch_id = begin(bench, certificates)
    go_on(bench)
    tick(bench)

    assert counts(bench, batch_id) == Counts(renewed=2, failed=1)
    failed = members(bench, batch_id)[0]
    assert "was renewed" in (failed.reason or "")
    line_id = certificates[0].line_id
    with bench.database.transaction() as db:
        assert backoff_of(db, [line_id])[line_id].waits_for_person
    assert status_of(bench, batch_id) is BatchStatus.DONE


def test_the_old_key_is_used_again_where_that_is_asked_for_though_the_profile_allows_no_renewal(
    bench: Bench,
) -> None:
    old = stored(bench)
    bench.settings(no_renewal_profiles=[21790])

    batch_id = begin(bench, [old], reuse_key=True)
    go_on(bench, 5)

    assert [member.ordered_anew for member in members(bench, batch_id)] == [True]

    with bench.database.transaction() as db:
        new = db.scalars(
            select(Certificate).where(
                Certificate.line_id == old.line_id,
                Certificate.status == CertificateStatus.ACTIVE,
            )
        ).one()
        orders = db.scalars(select(Order).where(Order.line_id == old.line_id)).all()
    assert new.id != old.id
    assert new.key_id == old.key_id
    assert len({order.public_key_sha256 for order in orders}) == 1
    assert {order.status for order in orders} == {OrderStatus.STORED}


def test_a_renewal_that_was_asked_for_before_another_one_was_stored_ends_with_that(
    bench: Bench,
) -> None:
    old = stored(bench)
    late = asked_from_outside(bench, "renew", {"certificate": old.id})
    first = renewal(bench, old)
    bench.run(first.id)
    with bench.database.transaction() as db:
        db.get_one(Command, late.id).status = CommandStatus.HELD  # its message is slow
    go_on(bench)
    with bench.database.transaction() as db:
        db.get_one(Command, late.id).status = CommandStatus.QUEUED

    bench.run(late.id)

    ended = bench.command(late.id)
    assert (ended.status, ended.subject) == (CommandStatus.DONE, first.subject)
    assert bench.calls(RENEW) == 1
    # A later request is refused, naming the newest certificate.
    later = asked_from_outside(bench, "renew", {"certificate": old.id})
    bench.run(later.id)
    assert "the newest of its line" in (bench.command(later.id).error or "")
