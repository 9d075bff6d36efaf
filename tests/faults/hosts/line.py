"""A line with a worker, relay, ingress and producer on each host of a site, and mixed commands for them."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode

import psycopg
import requests
from sqlalchemy import func, select, update

from certline.models import Command, Order, OrderStatus, Outbox, Schedule
from certline.models.database.session import clock
from certline.models.events.outbox import EVENTS
from certline.models.heartbeat import Heartbeat, stale_parts
from tests.faults.harness.scenario import Stage
from tests.faults.hosts.namespaces import Host
from tests.faults.hosts.site import DATABASE, MESSAGES, Site
from tests.faults.random.kills import MOST_OPEN, mixed_commands, untouched_certificate
from tests.faults.stories.parts import select_what_is_due
from tests.servers import until
from tests.support.deployment import Plant
from tests.support.forkserver import Part, nursery

PARTS = (("worker", "--processes", "1", "--threads", "2"), ("relay",), ("ingress",), ("producer",))
# What shows that a host is given up, besides its sessions in Postgres and its consumers at RabbitMQ.
HEARTBEATS = "heartbeats"
# Each so many commands, one more certificate falls due for automatic renewal.
AUTO_RENEWAL_EVERY = 9
# Milliseconds of each call to SCM while a worker is to be caught in the middle of one.
SLOW = 400


@dataclass(frozen=True)
class Limits:
    """Limits after which somebody who is gone is given up. `postgres`, `rabbitmq`: parameters of the URLs."""

    settings: dict[str, str] = field(default_factory=dict)
    postgres: dict[str, str] = field(default_factory=dict)
    rabbitmq: dict[str, str] = field(default_factory=dict)


class HostedLine:
    """A stage whose processes run on the hosts of a site.

    `measured`: seconds by what was waited for.
    """

    def __init__(self, stage: Stage, site: Site) -> None:
        self.stage = stage
        self.site = site
        self.asked: Counter[str] = Counter()
        self.measured: dict[str, float] = {}
        self.parts: dict[Host, list[Part]] = {
            host: [stage.start(*words, place=place) for words in PARTS]
            for host, place in site.hosts.items()
        }

    def begin(self, seed: int, commands: int) -> None:
        """Have certificates stored, and prepare that many mixed commands."""
        self.stage.until_well()
        for _ in range(max(8, commands // 8)):
            self.stage.place()
        until(lambda: not self.stage.open_orders(), 120, every=0.1)
        self._chance = random.Random(seed)  # noqa: S311  # reproducible on purpose
        self._asking = mixed_commands(self.stage, self._chance, commands, self.asked)

    def ask(self, count: int) -> None:
        """Send so many commands, as fast as the line takes them, and have certificates renewed automatically."""
        for _ in range(count):
            until(lambda: self.stage.open_orders() < MOST_OPEN, 120, every=0.05)
            if next(self._asking, None) is None:
                return
            if self.asked.total() % AUTO_RENEWAL_EVERY == 0:
                self._renew_automatically()

    def freeze_in_the_middle(self, host: Host) -> list[str]:
        """Freeze all processes of a host while its worker sends an order. Returns the ids of such orders."""
        self.stage.simulate("POST", "settings", {"latency_ms": SLOW})
        caught: list[str] = []
        while not caught:
            for _ in range(3):
                self.stage.place()
            until(self._sending, 30, every=0.02)
            self.freeze(host)
            with suppress(TimeoutError):
                caught = until(lambda: self._sending(longer_than=3 * SLOW / 1000), 3)
            if not caught:
                self.thaw(host)
        self.stage.simulate("POST", "settings", {"latency_ms": 0})
        return caught

    def freeze(self, host: Host) -> None:
        """Stop all processes of a host (SIGSTOP)."""
        for part in self.parts[host]:
            part.freeze()

    def thaw(self, host: Host) -> None:
        """Let all processes of a host go on."""
        for part in self.parts[host]:
            part.thaw()

    def end_others(self, host: Host) -> None:
        """Kill the processes of all other hosts, so that this one has to do all the work."""
        for other in self.parts.keys() - {host}:
            for part in self.parts.pop(other):
                self.stage.kill(part)

    def measure_service(self) -> None:
        """Measure in how many seconds orders that are placed now are stored."""
        begun = time.monotonic()
        orders = [self.stage.place() for _ in range(4)]
        until(lambda: all(self.is_stored(each) for each in orders), 180, every=0.1)
        self._note("new orders are stored", begun)

    def measure_return(self, host: Host, begun: float) -> None:
        """Measure in how many seconds all parts of a host work again; `begun`: since when (monotonic seconds)."""
        until(lambda: self._is_back(host), 180, every=0.1)
        self._note("its parts work again", begun)

    def until_given_up(self, host: Host, begun: float, *by: str) -> None:
        """Wait until the host is no longer reckoned with: its heartbeats, its connections to these networks."""
        try:
            until(lambda: all(self._is_gone(host, each) for each in by), 180, every=0.2)
        except TimeoutError as late:
            raise TimeoutError(
                f"{host.name} is still reckoned with: {self._traces(host)}"
            ) from late
        self._note("it is given up", begun)

    def is_stored(self, command: Command) -> bool:
        """Return True if the command's order is stored."""
        return self.stage.order(command).status is OrderStatus.STORED

    def until_settled(self, orders: list[str]) -> None:
        """Wait until others have found out what became of these orders; newer ones prove SCM's list current."""

        def settled() -> bool:
            self.stage.place()
            return not set(orders) & set(self._sending())

        until(settled, 180, every=1.0)

    def clocks(self) -> set[int]:
        """Return by how many seconds, in hundreds, the times of events differ from the database's clock."""
        events = select(Outbox.body["time"].astext, Outbox.created_at).where(
            Outbox.exchange == EVENTS
        )
        with self.stage.plant.database.transaction() as db:
            times = db.execute(events).all()
        return {
            round((datetime.fromisoformat(told) - written).total_seconds(), -2)
            for told, written in times
        }

    def ended(self) -> list[int]:
        """Return the ids of the processes that have ended."""
        return [
            part.pid for each in self.parts.values() for part in each if part.exit_code is not None
        ]

    def _is_gone(self, host: Host, by: str) -> bool:
        match by:
            case "heartbeats":
                return self._stale(host) == len(PARTS)
            case "database":
                return not self._sessions(host)
            case _:
                return self.stage.ear.consumers() < len(self.parts)

    def _traces(self, host: Host) -> str:
        """Return what is left of a host: its heartbeats by age in seconds, its sessions, all consumers."""
        age = func.extract("epoch", func.now() - Heartbeat.seen_at)
        seen = select(Heartbeat.part, age).where(Heartbeat.host == host.name)
        with self.stage.plant.database.transaction() as db:
            ages = {part: round(float(seconds), 1) for part, seconds in db.execute(seen)}
        consumers = self.stage.ear.consumers()
        return f"heartbeats {ages}, sessions {self._sessions(host)}, {consumers} consumers in all"

    def _is_back(self, host: Host) -> bool:
        well = all(self.stage.is_well(part) for part in self.parts[host])
        return well and not self._stale(host) and self.stage.ear.consumers() == len(self.parts)

    def _stale(self, host: Host) -> int:
        """Count the parts of a host whose heartbeats are missing."""
        with self.stage.plant.database.transaction() as db:
            return sum(row.host == host.name for row in stale_parts(db))

    def _sessions(self, host: Host) -> list[str]:
        """Return the sessions of a host in Postgres: what each does, since when, and its last statement."""
        query = """SELECT concat_ws(' ', state, wait_event, now() - coalesce(state_change, backend_start), query)
                   FROM pg_stat_activity WHERE client_addr = %s"""
        with psycopg.connect(self.site.postgres.url) as connection:
            return [text for (text,) in connection.execute(query, [host.address(DATABASE)])]

    def _sending(self, longer_than: float = 0) -> list[str]:
        """Return the ids of orders that are on their way to SCM for longer than so many seconds."""
        age = func.extract("epoch", func.now() - Order.sent_at)
        sending = select(Order.id).where(Order.status == OrderStatus.SENDING, age >= longer_than)
        with self.stage.plant.database.transaction() as db:
            return list(db.scalars(sending))

    def _renew_automatically(self) -> None:
        """Let the daily run of automatic renewal find one more certificate."""
        certificate = untouched_certificate(self.stage, self._chance)
        if certificate is None:
            return
        select_what_is_due(self.stage, certificate)
        with self.stage.plant.database.transaction() as db:
            run = update(Schedule).where(Schedule.name == "auto-renew")
            db.execute(run.values(next_due=clock(db)))
        self.asked["auto-renewal"] += 1

    def _note(self, what: str, begun: float) -> None:
        self.measured[what] = round(time.monotonic() - begun, 1)


@contextmanager
def line_on(site: Site, database_url: str, limits: Limits) -> Iterator[HostedLine]:
    """Yield a line on a database and a vhost of its own; `limits` are those of its processes."""
    requests.post(f"{site.simulator.door}/reset", timeout=30).raise_for_status()
    settings = {"issue_after_ms": 50}
    requests.post(f"{site.simulator.door}/settings", json=settings, timeout=30).raise_for_status()
    with ExitStack() as stack:
        vhost = stack.enter_context(site.rabbitmq.vhost())
        plant = stack.enter_context(Plant(database_url, vhost, **limits.settings))
        plant.environment |= {
            "CERTLINE_DATABASE_URL": _with(database_url, limits.postgres),
            "CERTLINE_RABBITMQ_URL": _with(vhost, limits.rabbitmq),
        }
        stage = Stage(nursery(), plant, vhost, site.simulator)
        stack.callback(stage.stop_parts)
        stage.add_account()
        for host in site.hosts:  # a test that fails leaves it cut off
            for network in (DATABASE, MESSAGES):
                stack.callback(host.join_again, network)
        yield HostedLine(stage, site)


def _with(url: str, parameters: dict[str, str]) -> str:
    # Blanks of libpq's `options` as %20, which it reads, unlike a plus sign.
    query = urlencode(parameters).replace("+", "%20")
    return f"{url}?{query}" if query else url
