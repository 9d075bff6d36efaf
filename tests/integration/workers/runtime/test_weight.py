"""What an order costs Postgres, from placing it to the stored certificate: so that nobody adds to it unseen."""

from collections.abc import Callable, Sequence

import psycopg
import pytest
from sqlalchemy import func, select
from sqlalchemy.engine import make_url

from certline.models import Certificate, Command, CommandStatus, CommandType, License
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from certline.models.events.due import DueMessage
from certline.producers.messaging.shipment import Settled, Shipment
from certline.producers.relay import Relay
from certline.workers.runtime import pacing, turns
from certline.workers.runtime.step import run
from tests.integration.workers.conftest import STEP_OF, Bench
from tests.servers import until
from tests.support.statements import statements_of

# Orders at once, as in a batch: the relay's batches and the turns of the rate limit are shared by them.
ORDERS = 16
MOST_COMMITS, MOST_STATEMENTS = 12, 40
# Statements that read what a new order is checked against, before it is placed: the account, its organisations,
# domains, profiles and custom fields, the time, and the certificates of the same name.
CHECK = 7


class ConfirmingWire:
    """Wire that confirms every message at once."""

    def __init__(self) -> None:
        self._sent: list[DueMessage] = []

    def open(self) -> None:
        """Do nothing."""

    def is_new(self) -> bool:
        """Return False."""
        return False

    def mark(self) -> bool:
        """Return True."""
        return True

    def send(self, messages: Sequence[DueMessage]) -> Shipment:
        """Confirm the messages."""
        return Shipment(settled=Settled(confirmed=list(messages)))

    def settle(self, shipment: Shipment) -> Settled:
        """Return what was confirmed."""
        return shipment.settled

    def tend(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def commits_of(url: str) -> int:
    """Return how many transactions of a database were committed, implicit ones too, once nobody is connected.

    Only then Postgres has counted all. Asked from another database, so that the question does not count.
    """
    address = make_url(url)
    name = address.database
    elsewhere = address.set(drivername="postgresql", database="postgres")
    with psycopg.connect(elsewhere.render_as_string(hide_password=False), autocommit=True) as db:

        def nobody() -> bool:
            query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
            return db.execute(query, [name]).fetchone() == (0,)

        until(nobody, 30, every=0.05)
        query = "SELECT xact_commit FROM pg_stat_database WHERE datname = %s"
        row = db.execute(query, [name]).fetchone()
        assert row is not None
        return int(row[0])


def spent(bench: Bench, work: Callable[[], None]) -> tuple[float, float]:
    """Return (commits, statements) of one order, where `work` carries out ORDERS of them."""
    bench.database.close()
    before = commits_of(bench.database.url)
    with statements_of(bench.database) as statements:
        work()
    bench.database.close()
    return (commits_of(bench.database.url) - before) / ORDERS, len(statements) / ORDERS


def carry_out(bench: Bench, commands: Sequence[Command]) -> None:
    """Run the steps of these orders and publish what they write, as workers and relay do, until all are stored."""
    relay = Relay(bench.database, ConfirmingWire())
    relay.pump()
    for each in commands:
        run(bench.line, STEP_OF[each.type], each.id)
    relay.pump()
    for poll in polls_of(bench, commands):
        run(bench.line, STEP_OF[CommandType.POLL], poll)
    relay.pump()


def polls_of(bench: Bench, commands: Sequence[Command]) -> list[str]:
    """Make the polls of these commands' orders due, and return them. It is counted with the orders' commits."""
    with psycopg.connect(bench.database.url) as connection:
        query = """UPDATE command SET not_before = now()
            WHERE type = 'poll' AND correlation_id = ANY(%s) RETURNING id::text"""
        found = connection.execute(query, [[each.id for each in commands]]).fetchall()
        return [own_id for (own_id,) in found]


def all_done(bench: Bench, commands: Sequence[Command]) -> bool:
    """Return whether each of these commands is done."""
    with bench.database.transaction() as db:
        query = select(func.count()).where(
            Command.id.in_([each.id for each in commands]), Command.status == CommandStatus.DONE
        )
        return db.scalar(query) == len(commands)


@pytest.fixture
def stored(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Store ORDERS certificates, and return their ids. What a process knows does not age on a slow machine."""
    monkeypatch.setattr(pacing, "KNOWN_FOR", 600)
    monkeypatch.setattr(turns, "STALE", 600)
    with bench.database.transaction() as db:
        db.get_one(License, 1).capacity = 10 * ORDERS
    carry_out(bench, [bench.place(common_name=f"w{n}.nordhafen.example") for n in range(ORDERS)])
    with bench.database.transaction() as db:
        return list(db.scalars(select(Certificate.id)))


def test_a_new_order_costs_at_most_12_commits_and_40_statements(
    bench: Bench,
    stored: list[str],  # noqa: ARG001  # what is built once is built
) -> None:
    placed: list[Command] = []

    def work() -> None:
        names = (f"n{number}.nordhafen.example" for number in range(ORDERS))
        placed.extend(bench.place(common_name=name) for name in names)
        carry_out(bench, placed)

    commits, statements = spent(bench, work)

    assert all_done(bench, placed)
    assert commits <= MOST_COMMITS
    assert statements - CHECK <= MOST_STATEMENTS


def test_a_renewal_costs_at_most_12_commits_and_40_statements(
    bench: Bench, stored: list[str]
) -> None:
    renewed: list[Command] = []

    def work() -> None:
        for certificate in stored:
            with bench.database.transaction() as db:
                payload = {"certificate": certificate}
                who = Identity("os:test")
                renewed.append(
                    accept(db, CommandType.RENEW, payload, requested_by=who, source="test")[0]
                )
        carry_out(bench, renewed)

    commits, statements = spent(bench, work)

    assert all_done(bench, renewed)
    assert commits <= MOST_COMMITS
    assert statements <= MOST_STATEMENTS
