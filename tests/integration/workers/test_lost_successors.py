"""Tests of renewals and reissues with an unknown outcome: found at SCM, sent again with proof, or reviewed."""

from typing import Any

import pytest

from certline.models import Certificate, Command, OrderStatus
from tests.integration.workers.conftest import Bench
from tests.integration.workers.succession import (
    HOUR,
    MOODS,
    NO_PRIVILEGE,
    RENEW,
    REPLACE,
    certificate_of,
    done_by_a_stranger,
    evidence,
    go_on,
    look,
    reissue,
    renewal,
    stored,
    until_stored,
)


@pytest.mark.parametrize("lag", [{}, {"list_lag_ms": 3_600_000}], ids=["current", "lagging"])
def test_a_renewal_whose_answer_was_lost_is_found_and_not_sent_again(
    bench: Bench, lag: dict[str, int]
) -> None:
    old = stored(bench)
    bench.settings(**lag)
    command = lost_renewal(bench, old, "drop_after")

    assert look(bench, command).status is OrderStatus.PENDING
    go_on(bench)

    assert certificate_of(bench, command).supersedes_id == old.id
    assert bench.calls(RENEW) == 1
    assert len(bench.orders_at_scm()) == 2


def test_a_renewal_that_nobody_lists_yet_is_waited_for(bench: Bench) -> None:
    old = stored(bench)
    bench.settings(list_lag_ms=3_600_000)
    bench.fault("POST", "report", "status", times=None, status=400, body=NO_PRIVILEGE)
    command = lost_renewal(bench, old, "drop_after")

    for _ in range(3):
        assert look(bench, command).status is OrderStatus.SENDING
    bench.settings(list_lag_ms=0)

    assert look(bench, command).status is OrderStatus.PENDING
    assert bench.calls(RENEW) == 1


def test_a_renewal_that_waits_for_approval_is_known_as_the_one_successor(bench: Bench) -> None:
    old = stored(bench)
    bench.settings(auto_approve=False)
    command = lost_renewal(bench, old, "drop_after")

    assert look(bench, command).status is OrderStatus.PENDING
    assert "its only successor" in evidence(bench, command)


def test_a_renewal_under_a_superseding_profile_is_found(bench: Bench) -> None:
    old = stored(bench)
    bench.fault("POST", "report", "status", times=None, status=400, body=NO_PRIVILEGE)
    command = lost_renewal(bench, old, "drop_after")
    with bench.database.transaction() as db:
        db.merge(bench.order(command)).profile_id = 99999

    assert look(bench, command).status is OrderStatus.PENDING


def test_a_renewal_that_scm_never_had_is_sent_again_after_two_looks(bench: Bench) -> None:
    old = stored(bench)
    command = lost_renewal(bench, old, "drop_before")

    statuses = [look(bench, command).status for _ in range(2)]
    bench.make_due()
    bench.run(command.id)

    assert statuses == [OrderStatus.SENDING, OrderStatus.PLACED]
    assert f"{old.scm_id} was not renewed" in evidence(bench, command)
    assert bench.order(command).status is OrderStatus.PENDING
    assert len(bench.orders_at_scm()) == 2


def test_without_the_report_a_renewal_is_sent_again_only_where_the_list_is_current(
    bench: Bench,
) -> None:
    old = stored(bench)
    bench.fault("POST", "report", "status", times=None, status=400, body=NO_PRIVILEGE)
    command = lost_renewal(bench, old, "drop_before")

    for _ in range(2):
        assert look(bench, command).status is OrderStatus.SENDING
    bench.run(bench.place(common_name="witness.nordhafen.example").id)

    assert look(bench, command).status is OrderStatus.PLACED


def test_the_mark_of_an_earlier_renewal_is_no_proof_of_this_one(bench: Bench) -> None:
    old = stored(bench)
    bench.settings(auto_approve=False)
    first = renewal(bench, old)
    bench.run(first.id)
    bench.decide(bench.order(first).scm_id, "decline")
    go_on(bench)
    assert bench.order(first).status is OrderStatus.REJECTED
    command = lost_renewal(bench, old, "drop_before")
    bench.run(bench.place(common_name="witness.nordhafen.example").id)

    statuses = [look(bench, command).status for _ in range(2)]

    assert statuses == [OrderStatus.SENDING, OrderStatus.PLACED]


def test_a_renewal_that_comes_through_after_all_is_not_sent_a_second_time(bench: Bench) -> None:
    old = stored(bench)
    command = lost_renewal(bench, old, "drop_before")
    for _ in range(2):
        look(bench, command)
    done_by_a_stranger(bench, f"/ssl/v1/renewById/{old.scm_id}", {})

    bench.make_due()
    bench.run(command.id)

    order = bench.order(command)
    assert order.status is OrderStatus.REVIEW
    assert "an earlier attempt may have succeeded" in (order.error or "")
    assert bench.calls(RENEW) == 2  # ours that was dropped, and the portal's


@pytest.mark.parametrize("mood", [mood | {"issue_after_ms": HOUR} for mood in MOODS[:5]], ids=str)
def test_a_reissue_whose_answer_was_lost_is_known_while_it_is_made(
    bench: Bench, mood: dict[str, Any]
) -> None:
    old = stored(bench)
    bench.settings(**mood)
    command = lost_reissue(bench, old, "drop_after")

    assert look(bench, command).status is OrderStatus.PENDING

    bench.settings(issue_after_ms=0)
    bench.decide(old.scm_id, "issue")
    until_stored(bench, command)
    assert certificate_of(bench, command).supersedes_id == old.id
    assert bench.calls(REPLACE) == 1


def test_a_reissue_whose_answer_was_lost_is_known_by_its_key_when_it_is_made(bench: Bench) -> None:
    old = stored(bench)
    command = lost_reissue(bench, old, "drop_after")

    assert look(bench, command).status is OrderStatus.PENDING
    assert "has our public key" in evidence(bench, command)
    assert bench.calls(REPLACE) == 1


def test_a_reissue_that_scm_never_had_is_sent_again_after_two_looks(bench: Bench) -> None:
    old = stored(bench)
    command = lost_reissue(bench, old, "drop_before")

    statuses = [look(bench, command).status for _ in range(2)]
    go_on(bench)

    assert statuses == [OrderStatus.SENDING, OrderStatus.PLACED]
    assert certificate_of(bench, command).supersedes_id == old.id
    assert bench.calls(REPLACE) == 2


def test_the_mark_of_the_reissue_before_is_no_proof_of_the_next(bench: Bench) -> None:
    first = reissue(bench, stored(bench))
    go_on(bench)
    command = lost_reissue(bench, certificate_of(bench, first), "drop_before")

    statuses = [look(bench, command).status for _ in range(2)]

    assert statuses == [OrderStatus.SENDING, OrderStatus.REVIEW]
    assert "which may be by the reissue of" in evidence(bench, command)
    assert bench.calls(REPLACE) == 2


def lost_renewal(bench: Bench, old: Certificate, kind: str) -> Command:
    """Send a renewal whose response is lost."""
    bench.fault("POST", "renewById", kind)
    command = renewal(bench, old)
    bench.run(command.id)
    assert bench.order(command).status is OrderStatus.SENDING
    return command


def lost_reissue(bench: Bench, old: Certificate, kind: str) -> Command:
    """Send a reissue whose response is lost."""
    bench.fault("POST", "replace", kind)
    command = reissue(bench, old)
    bench.run(command.id)
    assert bench.order(command).status is OrderStatus.SENDING
    return command
