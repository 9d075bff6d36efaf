"""Fault test of a failover by asynchronous replication, with the last second of commits lost."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from certline.models import AuditEntry, Certificate, Command, CommandStatus, Recovery
from certline.models.restore.recovery import recovery_of
from certline.simulator.server import Simulator
from tests.faults.failover.line import all_parts, url_of_both
from tests.faults.failover.test_promotion import ORDERS
from tests.faults.harness.external_client import order_event, send_all_to_exchange
from tests.faults.harness.scenario import Stage
from tests.faults.invariants import check
from tests.faults.invariants.recorded_moves import every_move_was_legal
from tests.faults.invariants.types import Expected, World
from tests.servers import until
from tests.servers.replication import NoReplicationError, Pair, open_pair

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

A_SECOND = timedelta(seconds=1)
# What holds after a restore, too: what was lost has no events, and its keys are gone.
CHECKS = (
    check.keys_match_their_certificates,
    check.the_outbox_is_empty,
    check.the_licence_is_exact,
    check.nothing_waits_at_rabbitmq,
    check.every_thread_lives,
    every_move_was_legal,
    check.the_log_is_whole,
)


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Yield a primary whose commits do not wait for its standby; without their programs, the test fails."""
    with ExitStack() as stack:
        try:
            yield stack.enter_context(open_pair())
        except NoReplicationError as missing:
            pytest.fail(str(missing))


@pytest.fixture
def stage(pair: Pair, vhost: str, simulator: Simulator) -> Iterator[Stage]:
    """Yield a stage with all its processes."""
    with all_parts(url_of_both(pair), vhost, simulator) as stage:
        yield stage


def test_with_the_last_second_lost_nothing_is_ordered_twice(stage: Stage, pair: Pair) -> None:
    events = [order_event(stage.plant.wanted(stage.new_name())) for _ in range(ORDERS)]
    first, second = events[: ORDERS // 2], events[ORDERS // 2 :]
    send_all_to_exchange(stage.vhost, first)
    until(lambda: certificates(stage) >= len(first) // 2, 120)
    pair.cut_stream()
    cut, known = newest_commit(stage), len(at_scm(stage))
    send_all_to_exchange(stage.vhost, second)
    until(lambda: newest_commit(stage) - cut > A_SECOND and len(at_scm(stage)) > known + 5, 120)

    pair.fail_over()
    ended = until(lambda: recovery_that_has_ended(stage), 240, every=0.2)
    send_all_to_exchange(stage.vhost, events)  # the sender misses answers, and sends all again
    with suppress(TimeoutError):
        until(lambda: still_open(stage, events) == [], 60, every=0.5)
    # What was being sent at the moment of the failover is looked up once an hour has passed.
    stage.stop("worker")
    stage.age()
    stage.start("worker")
    stage.place()
    with suppress(TimeoutError):  # then the next line says what is open
        until(lambda: still_open(stage, events) == [], 120, every=0.5)

    assert still_open(stage, events) == []
    assert ended is not None
    assert ended.result is not None
    assert ended.result["orders_found"] > 0
    assert sent_meanwhile(stage, ended) == []
    assert Counter(record["commonName"] for record in at_scm(stage)) == Counter(stage.names)
    with stage.plant.database.transaction() as db:
        stored = set(db.scalars(select(Certificate.scm_id)))
    assert stored == {record["sslId"] for record in at_scm(stage)}
    assert faults_in(stage) == []


def certificates(stage: Stage) -> int:
    """Count the stored certificates."""
    with stage.plant.database.transaction() as db:
        return db.scalar(select(func.count()).select_from(Certificate)) or 0


def newest_commit(stage: Stage) -> datetime:
    """Return the time of the newest entry in the audit log."""
    with stage.plant.database.transaction() as db:
        return db.scalars(select(func.max(AuditEntry.at))).one()


def at_scm(stage: Stage) -> list[dict[str, Any]]:
    """Return SCM's records."""
    found: list[dict[str, Any]] = stage.simulate("GET", "orders")
    return found


def recovery_that_has_ended(stage: Stage) -> Recovery | None:
    """Return the recovery once it has ended."""
    with suppress(DBAPIError), stage.plant.database.transaction() as db:
        row = recovery_of(db)
        return row if row.number == 1 and not row.in_progress else None
    return None


def sent_meanwhile(stage: Stage, ended: Recovery) -> list[str]:
    """Return the names that SCM was asked for while the recovery was in progress; SCM tells whole seconds."""
    assert ended.noticed_at is not None
    assert ended.settled_at is not None
    times = {record["commonName"]: moment(record["enrolledAt"]) for record in at_scm(stage)}
    return [
        name for name, at in times.items() if ended.noticed_at < at < ended.settled_at - A_SECOND
    ]


def moment(text: str) -> datetime:
    """Return the time that the simulator has written."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def still_open(stage: Stage, events: list[dict[str, Any]]) -> list[str]:
    """Return the commands that are not done, each with its status; one that is not known is missing."""
    with suppress(DBAPIError), stage.plant.database.transaction() as db:
        found = {
            row.id: row for row in db.scalars(select(Command).where(Command.sender.is_not(None)))
        }
        return [
            f"{event['data']['common_name']}: " + status_of(found.get(event["id"]))
            for event in events
            if status_of(found.get(event["id"])) != CommandStatus.DONE
        ]
    return ["the database does not answer"]


def status_of(command: Command | None) -> str:
    """Return the status of a command, with its error if there is one."""
    if command is None:
        return "missing"
    return command.status if command.error is None else f"{command.status}: {command.error}"


def faults_in(stage: Stage) -> list[str]:
    """Let everything come to rest, and return the faults of the checks that hold after a restore."""
    expected = Expected(tuple(stage.names))
    stage.come_to_rest(expected)
    world = World(expected, at_scm(stage), [], stage.ear.waiting(), stage.sick())
    stage.stop_parts()
    with stage.plant.database.transaction() as db:
        return [fault for each in CHECKS for fault in each(db, world, stage.plant.vault)]
