"""CLI tests of `certline doctor`: which parts run, what waits, what is overdue and which certificates end."""

from datetime import timedelta
from typing import Any

import pika
import pytest
from sqlalchemy import func, update

from certline.models import CommandType, Heartbeat, Queue, Recovery, Schedule
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from certline.models.database.session import clock
from certline.models.heartbeat import Part
from certline.models.settings import settings
from certline.producers.witness.store import ONE, WITNESS
from certline.workers.process.heart import Heart, beating
from tests.integration.cli.conftest import Typist
from tests.support.factories import a_certificate, an_account
from tests.support.sealed_rows import seal_in

QUEUES = [queue.value for queue in Queue]


def checks(typist: Typist, code: int) -> dict[str, Any]:
    """Return the doctor's checks by name."""
    return {each["name"]: each for each in typist.json("doctor", code=code)["checks"]}


def a_heart(typist: Typist, part: Part = Part.UP) -> Heart:
    return Heart(
        typist.database,
        part,
        every=5.0,
        check=lambda: None,
        queues=QUEUES,
        vault=typist.vault,
    )


@pytest.fixture
def well(typist: Typist) -> Typist:
    """Return a user whose only account is synced."""
    typist.types("init")
    with typist.database.transaction() as db:
        account = an_account(db, synced_at=clock(db))
        seal_in(db, typist.vault, account, "secret_sealed", b"secret")
        # The test's database is a copy of one that may have been made minutes ago.
        db.execute(update(Schedule).values(next_due=func.now() + timedelta(hours=1)))
    return typist


def test_a_good_machine_is_all_ok_and_its_parts_are_shown(well: Typist) -> None:
    with beating(a_heart(well)):
        document = well.json("doctor")
        said = well.types("doctor")

    assert document["ok"]
    [part] = document["parts"]
    assert (part["part"], part["stale"], part["fault"]) == ("up", False, None)
    assert part["keys"] == well.vault.keys
    assert f"key {well.vault.keys[0]}, all queues, since" in said
    assert "FAULT" not in said
    assert (
        "an import of 10,000 takes at least 17 min: 10 calls a second (CERTLINE_RATE_READ)" in said
    )


def test_work_that_waits_while_nothing_runs_is_a_fault(well: Typist) -> None:
    assert checks(well, 0)["parts"]["text"] == "none runs at present; no work waits"
    with well.database.transaction() as db:
        accept(db, CommandType.SYNC, {}, requested_by=Identity("os:ida"), source="cli")

    found = checks(well, 1)

    assert not found["parts"]["ok"]
    assert found["parts"]["advice"] == "certline up"
    assert found["commands"]["ok"]  # it has only just been accepted


def test_a_part_that_was_killed_is_missed_while_work_waits(well: Typist) -> None:
    heart = a_heart(well)
    heart.start()
    heart._stop.set()  # as a kill: the row remains
    heart._thread.join()
    with well.database.transaction() as db:
        accept(db, CommandType.SYNC, {}, requested_by=Identity("os:ida"), source="cli")
        db.execute(update(Heartbeat).values(seen_at=func.now() - timedelta(minutes=1)))

    found = checks(well, 1)["parts"]

    assert not found["ok"]
    assert "no longer seen: up on " in found["text"]


def test_a_clean_stop_leaves_no_heartbeat(well: Typist) -> None:
    with beating(a_heart(well)):
        pass

    assert well.json("doctor")["parts"] == []


def test_a_command_that_nobody_starts_is_a_fault_and_a_queue_that_moves_is_none(
    well: Typist,
) -> None:
    with well.database.transaction() as db:
        command, _ = accept(db, CommandType.SYNC, {}, requested_by=Identity("os:ida"), source="cli")
        command.not_before = command.touched_at = clock(db, timedelta(minutes=-7))

    assert "1 wait in certline.bulk, the oldest for 7 min" in checks(well, 1)["commands"]["text"]

    with well.database.transaction() as db:
        other, _ = accept(db, CommandType.SYNC, {}, requested_by=Identity("os:ida"), source="cli")
        other.status = type(other.status).RUNNING
    assert checks(well, 1)["commands"]["ok"]


def test_an_overdue_schedule_is_a_fault(well: Typist) -> None:
    with well.database.transaction() as db:
        late = update(Schedule).where(Schedule.name == "sweep")
        db.execute(late.values(next_due=func.now() - timedelta(minutes=14)))

    found = checks(well, 1)["schedules"]

    assert found["text"] == "overdue: sweep"
    assert found["details"] == ["sweep: due for 14 min"]
    assert "certline up" in found["advice"]


def test_each_certificate_that_ends_with_nothing_under_way_is_listed_with_its_reason(
    well: Typist,
) -> None:
    with well.database.transaction() as db:
        ends = clock(db, timedelta(days=5, hours=23))
        certificate = a_certificate(db, not_before=ends - timedelta(days=90), not_after=ends)

    found = checks(well, 1)["certificates"]

    assert found["text"] == "1 certificate ends soon with nothing under way"
    assert found["details"] == [
        f"shop.nordhafen.example ({certificate.id}) ends in 5 days: it is not selected for auto-renewal"
    ]
    assert f"certline auto-renew deselect {certificate.id}" in found["advice"]


def test_queues_that_nobody_takes_work_from_are_a_fault(
    well: Typist, vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CERTLINE_RABBITMQ_URL", vhost)
    settings.cache_clear()

    with beating(a_heart(well, Part.PRODUCER)):
        found = checks(well, 1)

    assert not found["queues"]["ok"]
    assert "missing at RabbitMQ" in found["queues"]["text"] or "nobody" in found["queues"]["text"]
    assert found["parts"]["text"] == "not running: worker, relay, ingress"


def test_data_that_no_relay_has_compared_since_postgres_was_started_are_named(well: Typist) -> None:
    with well.database.transaction() as db:
        db.execute(update(Recovery).values(compared_start=func.now() - timedelta(days=1)))

    found = checks(well, 0)["recovery"]

    assert "until a relay has compared its data with the witness" in found["text"]
    assert found["advice"] == "a relay does so as soon as it runs"


def test_a_witness_that_is_gone_when_the_data_have_to_be_compared_is_a_fault(
    well: Typist, vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CERTLINE_RABBITMQ_URL", vhost)
    settings.cache_clear()
    with pika.BlockingConnection(pika.URLParameters(vhost)) as connection:
        connection.channel().queue_delete(WITNESS)
    with well.database.transaction() as db:
        yesterday = func.now() - timedelta(days=1)
        db.execute(update(Recovery).values(compared_start=yesterday, witness_kept=True))

    found = checks(well, 1)["recovery"]

    assert not found["ok"]
    assert "RabbitMQ has none, although one was kept" in found["text"]
    assert "certline recover --accept" in found["advice"]


def test_a_rabbitmq_without_a_witness_is_named(
    well: Typist, vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CERTLINE_RABBITMQ_URL", vhost)
    settings.cache_clear()
    before = checks(well, 1)["recovery"]
    with pika.BlockingConnection(pika.URLParameters(vhost)) as connection:
        channel = connection.channel()
        channel.queue_declare(WITNESS, durable=True, arguments=ONE)
        channel.confirm_delivery()
        channel.basic_publish("", WITNESS, b"witness", mandatory=True)

    after = checks(well, 1)["recovery"]

    assert before["ok"]
    assert "a snapshot that is put back would not be noticed" in before["text"]
    assert after["text"] == "none in progress; a restore would be noticed"


def test_that_nothing_keeps_a_witness_of_your_own_postgres_without_rabbitmq_is_said(
    well: Typist,
) -> None:
    with beating(a_heart(well)):
        found = checks(well, 0)["recovery"]

    assert found["ok"]
    assert "a snapshot that is put back would not be noticed" in found["text"]
    assert found["advice"] == "after a restore, before the parts are started: certline recover"
