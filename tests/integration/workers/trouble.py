"""Helpers for outages of SCM: counting calls, ending the outage, and letting time pass."""

import re
from datetime import timedelta

import requests
from sqlalchemy import select, update

from certline.models import (
    Breaker,
    Command,
    CommandType,
    Database,
    Order,
    OrderStatus,
    RateLimit,
)
from certline.models.accounts.breaker import MOST_FAILURES, failed, open_breakers
from tests.integration.workers.conftest import Bench

ENROLL = "POST /ssl/v1/enroll"
DETAILS = "GET /ssl/v1/{sslId}"
ORGANIZATIONS = "GET /organization/v1"
CHANGES = re.compile("/ssl/v1/(enroll|renew|replace|revoke)")


def all_calls(bench: Bench) -> int:
    """Return how often SCM has been called at all."""
    return sum(requests.get(f"{bench.simulator.door}/calls", timeout=30).json().values())


def mend(bench: Bench) -> None:
    """End SCM's outage."""
    requests.delete(f"{bench.simulator.door}/faults", timeout=30).raise_for_status()


def pass_time(database: Database, seconds: float) -> None:
    """Move every row that waits for a time, instead of waiting."""
    past = timedelta(seconds=seconds)
    with database.transaction() as db:
        db.execute(update(Command).values(not_before=Command.not_before - past))
        db.execute(update(Order).values(sent_at=Order.sent_at - past))
        db.execute(update(RateLimit).values(held_until=RateLimit.held_until - past))
        db.execute(
            update(Breaker).values(
                open_until=Breaker.open_until - past, probing_until=Breaker.probing_until - past
            )
        )


def pending(bench: Bench, name: str) -> Command:
    """Place an order that SCM has accepted; its poll waits."""
    command = bench.place(common_name=name)
    bench.run(command.id)
    assert bench.order(command).status is OrderStatus.PENDING
    return command


def poll_of(bench: Bench, command: Command) -> str:
    with bench.database.transaction() as db:
        query = select(Command.id).where(
            Command.type == CommandType.POLL, Command.subject == bench.order(command).id
        )
        return db.scalars(query).one()


def open_breaker(bench: Bench) -> None:
    with bench.database.transaction() as db:
        for _ in range(MOST_FAILURES):
            failed(db, bench.simulator.url, "HTTP 503")
        assert open_breakers(db)
    a_second_later(bench)


def a_second_later(bench: Bench) -> None:
    """Have the bench's own worker forget what it knew of account and breaker, as it does after a second."""
    for door in bench.line._doors.values():
        door.pacing._known_until = 0.0
