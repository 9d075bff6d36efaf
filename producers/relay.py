"""The relay: outbox rows that are due go out, are confirmed by the broker, and are marked sent.

Several relays may run: a row that one of them holds is passed over by the others. A relay that dies
between publishing and marking sends those rows again; receivers know them by their id.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import structlog
from sqlalchemy.exc import DBAPIError

from certline.models import Database
from certline.models.database.session import WAKE_CHANNEL
from certline.models.events.outbox import Outbox, claim_due, mark_refused, mark_sent
from certline.models.webhook import hand_to_webhooks
from certline.producers.messaging.publisher import RowRefusedError, Wire, WireDownError

log = structlog.get_logger()

# Rows a transaction: about 60 ms of confirms, so row locks are short.
BATCH = 100
# Seconds: how often the outbox is looked at where no NOTIFY comes.
LOOK_EVERY = 0.25
# Seconds: pauses while a server is away.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0


class Relay:
    """One relay. `beat` is when it last found both servers answering (monotonic seconds)."""

    def __init__(self, database: Database, wire: Wire) -> None:
        self._database = database
        self._wire = wire
        self.beat: float | None = None

    def pump(self) -> int:
        """Send one batch; answers how many rows went out. Raises WireDownError, DBAPIError.

        Events go to webhooks too, once RabbitMQ has them or has refused them for good.
        """
        broken: WireDownError | None = None
        with self._database.transaction() as db:
            rows = claim_due(db, BATCH)
            confirmed: list[Outbox] = []
            parked: list[Outbox] = []
            for row in rows:
                try:
                    self._wire.publish(row)
                except RowRefusedError as refusal:
                    log.warning("relay.refused", row=row.id, to=row.routing_key, why=str(refusal))
                    pause = timedelta(seconds=min(300, 2**row.attempts))
                    mark_refused(db, row, str(refusal), again_after=pause)
                    if row.parked_at is not None:
                        parked.append(row)
                except WireDownError as down:
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

    def run(self, stop: threading.Event) -> None:
        """Send until told to stop; the batch in hand is finished first."""
        pause = FIRST_PAUSE
        while not stop.is_set():
            try:
                with _woken(self._database.url) as wakes:
                    self._wire.open()
                    while not stop.is_set():
                        full = self.pump() == BATCH
                        self._wire.tend()
                        self.beat = time.monotonic()
                        pause = FIRST_PAUSE
                        if not full:
                            next(wakes)
            except (WireDownError, DBAPIError, psycopg.Error) as error:
                log.warning("relay.waits", error=str(error).strip(), pause_seconds=pause)
                stop.wait(pause)
                pause = min(LONGEST_PAUSE, pause * 2)
        self._wire.close()

    def fault(self) -> str | None:
        """What a health check is told."""
        if self.beat is None:
            return "has not reached its servers yet"
        if time.monotonic() - self.beat > 2 * LONGEST_PAUSE:
            return "has not reached its servers for a while"
        return None


@contextmanager
def _woken(url: str) -> Iterator[Iterator[None]]:
    """Wait for NOTIFY, at most LOOK_EVERY: a notification may be lost, and rows become due by time."""
    connection = psycopg.connect(url, autocommit=True, connect_timeout=10)

    def wakes() -> Iterator[None]:
        while True:
            for _ in connection.notifies(timeout=LOOK_EVERY, stop_after=1):
                pass
            yield

    with connection:
        connection.execute(f"LISTEN {WAKE_CHANNEL}")
        yield wakes()
