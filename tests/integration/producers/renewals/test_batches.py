"""Tests of a batch of renewals: released by its pace, in its window, each member once despite crashes."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from certline.models import BatchStatus, Database, Order, OrderStatus, RenewalMember
from certline.models.audit.identity import Identity
from certline.models.certificates.backoff import backoff_of, renewal_failed
from certline.models.renewals.batch import members_of
from certline.producers.renewals import batches
from certline.producers.renewals.batches import pause, request_batch, resume
from certline.producers.renewals.verdicts import BatchVerdict
from certline.producers.schedule import tick
from tests.integration.producers.renewals.batch import (
    a_batch,
    asked,
    pass_time,
    release,
    sent,
    waiting,
)
from tests.support.factories import a_certificate

SETTLE = timedelta(minutes=15)


def test_a_batch_begins_at_once_and_has_its_pace(database: Database) -> None:
    batch_id = a_batch(database, pace=60)
    at_once = waiting(database, batch_id)

    too_early = release(database)
    pass_time(database, batch_id, timedelta(minutes=1))

    assert (at_once, too_early) == (2, 0)
    assert release(database) == 1
    assert release(database) == 0


def test_what_was_down_for_a_day_makes_up_for_a_minute_and_no_more(database: Database) -> None:
    batch_id = a_batch(database, count=9, pace=120)

    pass_time(database, batch_id, timedelta(days=1))
    release(database)

    assert waiting(database, batch_id) == 5


def test_a_paused_batch_leaves_its_members_where_they_are(database: Database) -> None:
    batch_id = a_batch(database, pace=1)

    assert pause(database, batch_id, who=Identity("os:ida"))
    pass_time(database, batch_id, timedelta(days=1))

    assert release(database) == 0
    assert waiting(database, batch_id) == 2
    assert not pause(database, batch_id, who=Identity("os:ida"))


def test_a_resumed_batch_goes_on_at_the_pace_that_is_named(database: Database) -> None:
    batch_id = a_batch(database, pace=1)
    pause(database, batch_id, who=Identity("os:ida"))

    assert resume(database, batch_id, pace=60_000, who=Identity("os:ida"))
    pass_time(database, batch_id, timedelta(minutes=1))
    release(database)

    assert waiting(database, batch_id) == 0
    assert len(asked(database)) == 3
    assert not resume(database, batch_id, pace=60_000, who=Identity("os:ida"))


def test_no_more_are_released_than_the_window_has_room_for(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "WINDOW", 2)
    batch_id = a_batch(database)
    assert (waiting(database, batch_id), release(database)) == (1, 0)

    sent(database)

    assert release(database) == 1


def test_a_member_whose_line_rests_keeps_nobody_waiting(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "WINDOW", 2)
    batch_id = a_batch(database)
    with database.transaction() as db:
        first = db.scalars(select(RenewalMember).order_by(RenewalMember.position)).first()
        assert first is not None
        renewal_failed(db, first.line_id, permanent=False, reason="SCM was busy")

    assert release(database) == 1
    assert waiting(database, batch_id) == 0


def test_producers_that_tick_at_once_give_each_member_one_command(database: Database) -> None:
    batch_id = a_batch(database, count=20, pace=1)
    resume(database, batch_id, pace=60_000, who=Identity("os:ida"))
    pass_time(database, batch_id, timedelta(minutes=1))
    producers = [threading.Thread(target=release, args=(database,)) for _ in range(4)]

    for producer in producers:
        producer.start()
    for producer in producers:
        producer.join()
    release(database)

    assert set(asked(database).values()) == {1}
    assert len(asked(database)) == 20


def test_a_producer_that_dies_in_the_middle_has_released_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id = a_batch(database, pace=1)
    resume(database, batch_id, pace=60_000, who=Identity("os:ida"))
    pass_time(database, batch_id, timedelta(minutes=1))
    before = waiting(database, batch_id)
    died = threading.Event()

    def dying(*_args: Any, **_named: Any) -> None:
        died.set()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(batches, "counts_of", dying)
        with pytest.raises(KeyboardInterrupt):
            release(database)
    assert died.is_set()
    assert waiting(database, batch_id) == before

    release(database)

    assert set(asked(database).values()) == {1}
    assert len(asked(database)) == 3


def test_what_is_gone_when_its_turn_comes_is_refused_and_takes_nobodys_turn(
    database: Database,
) -> None:
    batch_id = a_batch(database, pace=1)
    with database.transaction() as db:
        _, gone, _ = db.scalars(select(RenewalMember).order_by(RenewalMember.position)).all()
        gone.certificate_id = "gone"

    pass_time(database, batch_id, timedelta(hours=1))

    assert release(database) == 1
    with database.transaction() as db:
        states = [(member.state, member.reason) for member in members_of(db, batch_id)]
    assert states[1] == ("refused", "it is deleted by now")
    assert states[2][0] == "running"


def test_a_batch_of_which_nothing_can_be_renewed_is_over_at_once(database: Database) -> None:
    with database.transaction() as db:
        refused = BatchVerdict(a_certificate(db), ["it is revoked"], [])

    batch = request_batch(
        database, [refused], selection="a test", pace=9, requested_by=Identity("os:ida")
    )

    assert batch.status is BatchStatus.DONE
    assert not asked(database)


def test_a_batch_is_a_persons_renewal_so_what_failed_before_counts_no_more(
    database: Database,
) -> None:
    with database.transaction() as db:
        certificate = a_certificate(db)
        renewal_failed(db, certificate.line_id, permanent=True, reason="the profile was gone")

    request_batch(
        database,
        [BatchVerdict(certificate, [], [])],
        selection="a test",
        pace=None,
        requested_by=Identity("os:ida"),
    )

    with database.transaction() as db:
        assert backoff_of(db, [certificate.line_id])[certificate.line_id].failures == 0


def test_the_clock_gives_batches_their_turns(database: Database) -> None:
    batch_id = a_batch(database, pace=1)
    pass_time(database, batch_id, timedelta(hours=1))

    tick(database, SETTLE)

    assert waiting(database, batch_id) == 1
    with database.transaction() as db:
        assert db.scalars(select(Order.status).distinct()).all() == [OrderStatus.STORED]
