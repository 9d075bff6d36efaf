"""The relay: publishes outbox rows that are due, waits for the broker's confirms, and marks the rows as sent.

Several relays may run: each skips rows that another one has locked. If a relay dies after publishing and before
its commit, those rows are published again; receivers recognise the duplicates by their id.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import structlog

from certline.models import Database
from certline.models.database.outage import OUTAGES, outage_text
from certline.models.database.session import WAKE_CHANNEL
from certline.models.events.outbox import Outbox, claim_due, mark_refused, mark_sent
from certline.models.senders.copies import concerned, copy_for
from certline.models.webhook import hand_to_webhooks
from certline.producers.messaging.publisher import RowRefusedError, Wire, WireDownError
from certline.producers.sweep import wake_all

log = structlog.get_logger()

# Rows per transaction: about 60 ms for their confirms, so row locks are short.
BATCH = 100
# Seconds after which the outbox is checked although no NOTIFY arrived.
LOOK_EVERY = 0.25
# Seconds between tries to reach a server that does not respond; doubled up to the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0


class Relay:
    """The relay process. `beat`: when both servers last responded (monotonic seconds)."""

    def __init__(self, database: Database, wire: Wire) -> None:
        self._database = database
        self._wire = wire
        self.beat: float | None = None

    def pump(self) -> int:
        """Publish one batch of due rows. Returns how many were confirmed.

        Events are handed to webhooks too, once RabbitMQ has confirmed or finally refused them. Raises
        WireDownError if the broker is lost, after committing the rows confirmed so far; OUTAGES if Postgres is.
        """
        broken: WireDownError | None = None
        with self._database.transaction() as db:
            rows = claim_due(db, BATCH)
            whom = concerned(db, rows)
            confirmed: list[Outbox] = []
            parked: list[Outbox] = []
            for row in rows:
                try:
                    self._wire.publish(
                        row, [copy_for(name, row.routing_key) for name in whom[row.id]]
                    )
                except RowRefusedError as refusal:
                    log.warning("relay.refused", row=row.id, to=row.routing_key, why=str(refusal))
                    # 1, 2, 4 … seconds, at most 5 minutes
                    pause = timedelta(seconds=min(300, 2**row.attempts))
                    mark_refused(db, row, str(refusal), again_after=pause)
                    if row.parked_at is not None:
                        parked.append(row)
                except WireDownError as down:
                    # Raised after the commit below: rows confirmed so far must not be sent again.
                    broken = down
                    break
                else:
                    confirmed.append(row)
            if confirmed:
                mark_sent(db, [row.id for row in confirmed])
            hand_to_webhooks(db, [*confirmed, *parked])
        if broken is not None:
            raise broken
        return len(confirmed)

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
            try:
                with _woken(self._database.url) as wakes:
                    self._wire.open()
                    self.replace_lost()
                    while not stop.is_set():
                        full = self.pump() == BATCH
                        self._wire.tend()
                        self.beat = time.monotonic()
                        pause = FIRST_PAUSE
                        if not full:  # a full batch means that more rows may be due already
                            next(wakes)
            except (WireDownError, *OUTAGES, psycopg.Error) as error:
                log.warning("relay.waits", error=outage_text(error), pause_seconds=pause)
                stop.wait(pause)
                pause = min(LONGEST_PAUSE, pause * 2)
        self._wire.close()

    def fault(self) -> str | None:
        """Return why the relay is unhealthy, or None."""
        if self.beat is None:
            return "has not reached its servers yet"
        if time.monotonic() - self.beat > 2 * LONGEST_PAUSE:
            return "has not reached its servers for a while"
        return None


@contextmanager
def _woken(url: str) -> Iterator[Iterator[None]]:
    """Yield an iterator that waits for a NOTIFY, but at most LOOK_EVERY seconds.

    The limit is needed because a notification may be lost, and because rows also become due by time.
    """
    connection = psycopg.connect(url, autocommit=True, connect_timeout=10)

    def wakes() -> Iterator[None]:
        while True:
            for _ in connection.notifies(timeout=LOOK_EVERY, stop_after=1):
                pass
            yield

    with connection:
        connection.execute(f"LISTEN {WAKE_CHANNEL}")
        yield wakes()
