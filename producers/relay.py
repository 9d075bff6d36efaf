"""The relay: publishes outbox rows that are due, and commits them as sent when the broker has confirmed them.

One statement takes a batch of rows and marks them as sent; until the commit, nobody else sees that. While the
confirms of a full batch arrive, the next one is taken in a transaction of its own and published, so that RabbitMQ
has work while Postgres writes. Several relays may run: each skips rows that another one has locked. If a relay
dies after publishing and before its commit, or loses the broker before the confirms, those rows are published
again; receivers recognise the duplicates by their id.
"""

import threading
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import psycopg
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from certline.models import Database
from certline.models.database.connection import connection_string
from certline.models.database.outage import OUTAGES, outage_text
from certline.models.database.relay_bell import WAKE_CHANNEL
from certline.models.database.session import SOON, blames_the_data
from certline.models.events.due import FIRST_REFUSAL, give_back, refuse, take_due
from certline.models.events.outbox import EVENTS
from certline.models.notices.notice import hand_to_routes
from certline.models.senders.copies import address_copies
from certline.models.webhook import hand_to_webhooks
from certline.producers.messaging.publisher import Wire
from certline.producers.messaging.shipment import (
    Flight,
    Settled,
    Shipment,
    WireDownError,
    tell_refusal,
)
from certline.producers.sweep import wake_all
from certline.producers.witness.keeper import NoWitness, WitnessKeeper
from certline.workers.metrics.instruments import RELAY_PUBLISHED, RELAY_REFUSED
from certline.workers.metrics.tally import count
from certline.workers.process.watchdog import Watchdog
from certline.workers.tracing.published_messages import record_published

log = structlog.get_logger()

# Rows per transaction: their confirms take 50 ms, so row locks are short.
BATCH = 500
# Messages outstanding at RabbitMQ, at most: two batches.
OUTSTANDING = 2 * BATCH
# Seconds after which the outbox is checked although no NOTIFY arrived and nothing was known to fall due.
LOOK_EVERY = SOON.total_seconds()
# The same if no NOTIFY can arrive, because PgBouncer is in between: each look is a commit.
LOOK_EVERY_UNTOLD = 0.5
# Seconds within which a stop is noticed.
STOP_WITHIN = 0.25
# Seconds between two batches that are not full: what many transactions write within this time goes out together.
# The time grows while transactions come without a pause.
GATHER, LONGEST_GATHER = 0.005, 0.05
# Seconds between tries to reach a server that does not respond; doubled up to the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0


class Relay:
    """The relay process. `beat`: when both servers last responded (monotonic seconds)."""

    def __init__(
        self,
        database: Database,
        wire: Wire,
        direct_url: str | None = None,
        witness: WitnessKeeper | None = None,
    ) -> None:
        """Create the relay. `direct_url`: of the same database, past PgBouncer, to be woken through.

        `witness`: of the database, at the wire's broker; without it nothing is compared or kept.
        """
        self._database = database
        self._direct_url = direct_url
        self._wire = wire
        self._witness = witness or NoWitness()
        self.beat: float | None = None
        self.watchdog = Watchdog()
        # Rows that the next batch may have. One after a failure: while RabbitMQ is blocked by an alarm, what is
        # tried may arrive later all the same.
        self._most = BATCH
        # The next batch, claimed and sent before the last one was confirmed and committed.
        self._ahead: Flight | None = None
        self._gather = GATHER
        # Seconds until the next row is known to fall due; None if none is.
        self._next_in: float | None = None

    def pump(self, stop: threading.Event | None = None) -> int:
        """Publish one batch of due rows. Returns how many were confirmed.

        Events are handed to webhooks and to the routes of notices too, once RabbitMQ has confirmed or finally
        refused them. With `stop`, unless it is set, the next batch is sent meanwhile if this one is full; the next
        call has to follow then.
        Raises WireDownError if the broker is lost, after committing the rows confirmed so far; OUTAGES if Postgres
        is.
        """
        flight = self._ahead or self._claim()
        self._ahead = None
        try:
            settled = self._land(flight, stop)
        except BaseException:
            self._fall_back()
            raise
        if settled.down is not None:
            self._fall_back(with_confirmed=True)
            raise settled.down
        self._most = min(BATCH, self._most * 8)
        self._next_in = flight.batch.next_in
        if settled.refused:
            self._next_in = min(FIRST_REFUSAL, self._next_in or FIRST_REFUSAL)
        return len(settled.confirmed)

    def _land(self, flight: Flight, stop: threading.Event | None) -> Settled:
        """Publish a batch unless it was already, wait for its confirms, and commit."""
        with flight.end:
            shipment = flight.shipment or self._send(flight)
            full = len(flight.batch.messages) == self._most == BATCH
            # The witness is kept between two batches.
            goes_on = stop is not None and not stop.is_set() and not self._witness.is_due
            if full and goes_on and shipment.settled.down is None:
                with suppress(*OUTAGES):  # this batch is out, and is committed if possible
                    self._ahead = self._claim()
                    self._send(self._ahead)
            settled = self._wire.settle(shipment)
            self._note(flight, settled)
            self._witness.look(flight.db)
        return settled

    def _fall_back(self, *, with_confirmed: bool = False) -> None:
        """Begin again with one row. Rows of the batch ahead stay due, all or but those `with_confirmed`."""
        self._most = 1
        flight, self._ahead = self._ahead, None
        # In an outage, the transaction has ended with its connection.
        with suppress(*OUTAGES):
            if flight is not None and with_confirmed:
                self._land(flight, None)
            elif flight is not None:
                with flight.end:
                    flight.db.rollback()

    def _claim(self) -> Flight:
        with ExitStack() as stack:
            db = stack.enter_context(self._database.transaction())
            batch = take_due(db, self._most)
            return Flight(stack.pop_all(), db, batch)

    def _send(self, flight: Flight) -> Shipment:
        batch = flight.batch
        shipment = Shipment()
        if batch.messages:
            # Those named in the row get copies even if nobody has sent a command yet.
            told = batch.events if batch.has_senders else [e for e in batch.events if e.senders]
            address_copies(flight.db, told)
            flight.sent_at = time.time_ns()
            shipment = self._wire.send(batch.messages)
        flight.shipment = shipment
        return shipment

    def _note(self, flight: Flight, settled: Settled) -> None:
        """Record what became of a batch: rows are marked as sent already, so this is about all others."""
        db, batch = flight.db, flight.batch
        record_published(batch.messages, settled.refused, flight.sent_at)
        confirmed = {message.id for message in settled.confirmed}
        _measure(settled)
        parked = refuse(db, settled.refused)
        for message in batch.messages:
            if (why := settled.refused.get(message.id)) is not None:
                tell_refusal(message, why, is_parked=message.id in parked)
        unknown = {message.id for message in batch.messages} - confirmed - settled.refused.keys()
        give_back(db, unknown)
        if batch.has_webhooks and batch.events:
            hand_to_webhooks(db, confirmed | set(parked))
        if batch.has_routes and batch.events:
            _tell_routes(db, confirmed | set(parked))

    def replace_lost(self) -> int:
        """Publish the messages of due commands again if the broker is new or has lost its data. Returns how many.

        Raises WireDownError if the broker is lost, OUTAGES if Postgres is.
        """
        if not self._wire.is_new():
            return 0
        with self._database.transaction() as db:
            count = wake_all(db)
            # Before the commit: without the mark, each reconnect would send all of them again. If this process
            # dies in between, the sweep finds the commands later.
            if not self._wire.mark():
                db.rollback()
                return 0
        log.warning("relay.new_broker", commands=count)
        return count

    def run(self, stop: threading.Event) -> None:
        """Publish batches until `stop` is set; the current batch is finished first."""
        pause = FIRST_PAUSE
        while not stop.is_set():
            self.watchdog.feed()
            try:
                with self._woken() as wakes:
                    self._wire.open()
                    self._witness.compare()
                    self.replace_lost()
                    while not stop.is_set() or self._ahead is not None:
                        most = self._most
                        begun = time.monotonic()
                        # A full batch means that more rows may be due already.
                        full = self.pump(stop) >= most
                        self.beat = time.monotonic()
                        self.watchdog.feed()
                        pause = FIRST_PAUSE
                        if self._ahead is None:
                            self._witness.keep()
                        if not full and self._ahead is None:
                            self._wire.tend()
                            self._rest(wakes, stop, begun)
            except (WireDownError, *OUTAGES, psycopg.Error) as error:
                log.warning("relay.waits", error=outage_text(error), pause_seconds=pause)
                stop.wait(pause)
                pause = min(LONGEST_PAUSE, pause * 2)
        self._fall_back()
        self._wire.close()

    @contextmanager
    def _woken(self) -> Iterator[psycopg.Connection[Any] | None]:
        """Yield a connection that hears the NOTIFY of transactions which write outbox rows.

        None if PgBouncer is in between, which gives the session that listens to others. Raises DBAPIError,
        psycopg.Error.
        """
        url = self._direct_url
        if url is None and self._database.goes_through_bouncer():
            log.info("relay.not_woken", look_every_seconds=LOOK_EVERY_UNTOLD)
            yield None
            return
        parameters = connection_string(url or self._database.url)
        with psycopg.connect(parameters, autocommit=True) as connection:
            connection.execute(f"LISTEN {WAKE_CHANNEL}")
            yield connection

    def _rest(
        self, wakes: psycopg.Connection[Any] | None, stop: threading.Event, begun: float
    ) -> None:
        """Wait until something is written or falls due, at most LOOK_EVERY seconds, or until `stop` is set.

        `begun`: when the last batch was begun (monotonic seconds).
        """
        if wakes is None:
            stop.wait(min(LOOK_EVERY_UNTOLD, self._next_in or LOOK_EVERY_UNTOLD))
            return
        if list(wakes.notifies(timeout=0)):
            self._gather = min(LONGEST_GATHER, self._gather * 1.5)
        else:
            self._gather = GATHER
            until = time.monotonic() + min(LOOK_EVERY, self._next_in or LOOK_EVERY)
            while not stop.is_set() and (left := until - time.monotonic()) > 0:
                if list(wakes.notifies(timeout=min(left, STOP_WITHIN), stop_after=1)):
                    break
        stop.wait(max(0.0, begun + self._gather - time.monotonic()))
        # What came meanwhile is covered by the same look.
        for _ in wakes.notifies(timeout=0):
            pass

    def fault(self) -> str | None:
        """Return why the relay is unhealthy, or None."""
        if self.beat is None:
            return "has not reached its servers yet"
        if time.monotonic() - self.beat > 2 * LONGEST_PAUSE:
            return "has not reached its servers for a while"
        return self._witness.fault


def _tell_routes(db: Session, rows: Collection[int]) -> None:
    """Hand events to the routes of notices. If that fails, nobody is told of them: published they were."""
    try:
        with db.begin_nested():
            hand_to_routes(db, rows)
    except Exception as error:
        # Postgres is away, or two transactions have met: the batch is tried again.
        if isinstance(error, DBAPIError) and not blames_the_data(error):
            raise
        # It would fail again, and the batch would be published for ever.
        log.exception("notices.not_told", advice="report it")


def _measure(settled: Settled) -> None:
    events = sum(message.exchange == EVENTS for message in settled.confirmed)
    count(RELAY_PUBLISHED, "event", by=events)
    count(RELAY_PUBLISHED, "wake_up", by=len(settled.confirmed) - events)
    count(RELAY_REFUSED, by=len(settled.refused))
