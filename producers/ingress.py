"""The ingress: stores commands of other systems, and messages that it cannot accept as dead letters.

A message is acked only after its command or dead letter is committed. If it is delivered again, it finds that
row, and no second one is inserted. Several ingress processes may run.
"""

import threading
import time
from contextlib import suppress

import structlog
from dramatiq.common import xq_name
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from certline.models import Database
from certline.models.commands.admission import admit
from certline.models.commands.command import OtherCommandError
from certline.models.commands.dead_letter import MOST_OF_SENDER
from certline.models.commands.envelope import (
    id_in,
    in_brief,
    incoming_command,
    parse,
    traceparent_in_document,
)
from certline.models.commands.idempotency import known_id
from certline.models.database.outage import OUTAGES, NoFreeConnectionError, outage_text
from certline.models.database.session import blames_the_data
from certline.models.events.outbox import COMMANDS, INGRESS, send_last_event_again
from certline.models.senders.authorisation import (
    ForbiddenCommandError,
    authorise,
    require_known,
)
from certline.models.senders.origin import is_unverified, sent_by
from certline.models.senders.sender import sender_with_user
from certline.models.states import Queue
from certline.models.validation import BadCommandError
from certline.models.vault import Vault, WithdrawnVaultError
from certline.producers.messaging.consumer import Listener
from certline.producers.messaging.dead_work import keep_dead
from certline.producers.messaging.delivery import Delivery
from certline.producers.messaging.open_quota import OpenQuota
from certline.producers.messaging.poison import PoisonWatch
from certline.producers.messaging.publisher import RabbitWire
from certline.producers.messaging.rejection import reject
from certline.producers.messaging.shipment import WireDownError
from certline.workers.metrics.instruments import INGRESS_MESSAGES
from certline.workers.metrics.tally import count
from certline.workers.process.watchdog import Watchdog
from certline.workers.tracing.span import LateSpan, SpanKind, annotate, late_span

log = structlog.get_logger()

# Seconds a wait for messages may take; within this time a stop is noticed.
LOOK_EVERY = 0.25
# Seconds between tries to reach a server that does not respond; doubled up to the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0


class Ingress:
    """The ingress process. `beat`: when RabbitMQ last responded (monotonic seconds).

    `most_letters`: dead letters that wait of one sender; `most_open`: open commands of one.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        wire: RabbitWire,
        *,
        most_letters: int = MOST_OF_SENDER,
        most_open: int | None = None,
    ) -> None:
        self._database = database
        watch, quota = PoisonWatch(database, vault), OpenQuota(most_open)
        commands = watch.over(
            lambda delivery: take(database, vault, delivery, quota=quota, most=most_letters)
        )
        dead = watch.over(lambda delivery: keep_dead(database, vault, delivery, most=most_letters))
        self._listener = Listener(
            wire, {INGRESS: commands} | {xq_name(queue.value): dead for queue in Queue}
        )
        self.beat: float | None = None
        self.watchdog = Watchdog()

    def run(self, stop: threading.Event) -> None:
        """Handle messages until `stop` is set; the message in hand is finished first."""
        pause = FIRST_PAUSE
        while not stop.is_set():
            self.watchdog.feed()
            try:
                # First check that Postgres responds: don't fetch messages that could not be stored.
                self._database.run(lambda db: db.execute(text("SELECT 1")))
                self._listener.open()
                log.info("ingress.listens")
                while not stop.is_set():
                    self._listener.wait(LOOK_EVERY)
                    self.beat = time.monotonic()
                    self.watchdog.feed()
                    pause = FIRST_PAUSE
            except (WireDownError, *OUTAGES, WithdrawnVaultError) as error:
                self._listener.close()
                log.warning("ingress.waits", error=outage_text(error), pause_seconds=pause)
                stop.wait(pause)
                pause = min(LONGEST_PAUSE, pause * 2)
        self._listener.close()

    def fault(self) -> str | None:
        """Return why the ingress is unhealthy, or None."""
        if self.beat is None:
            return "has not reached its servers yet"
        if time.monotonic() - self.beat > 2 * LONGEST_PAUSE:
            return "has not reached its servers for a while"
        return None


def take(
    database: Database,
    vault: Vault,
    delivery: Delivery,
    *,
    quota: OpenQuota | None = None,
    most: int = MOST_OF_SENDER,
) -> None:
    """Handle one message: store its command with the outbox row that wakes a worker, or refuse it.

    Either is one transaction. `most`: dead letters that wait of one sender. Raises one of OUTAGES if Postgres is
    unreachable or has no tables, and WithdrawnVaultError if this process's secret keys are no longer those of the
    installation.
    """
    with late_span() as trace:
        try:
            with database.transaction() as db:
                outcome = _admit(db, vault, delivery, quota or OpenQuota(None), trace)
        except (BadCommandError, OtherCommandError) as bad:
            problems = bad.problems if isinstance(bad, BadCommandError) else [f"id: {bad}"]
            forbidden = bad if isinstance(bad, ForbiddenCommandError) else None
        # No fault of the message: it waits until the ingress is restarted, or a connection is free.
        except (WithdrawnVaultError, NoFreeConnectionError):
            raise
        except Exception as error:  # one odd message must not block the queue
            if isinstance(error, DBAPIError) and not blames_the_data(error):
                raise
            command_id, _ = id_and_trace_of(delivery)
            log.exception("ingress.failed", message=delivery.message_id, command=command_id)
            problems = [f"a fault of certline itself ({type(error).__name__}); it can be replayed"]
            forbidden = None
        else:
            count(INGRESS_MESSAGES, outcome)
            return
        command_id, traceparent = id_and_trace_of(delivery)
        _begin_span(trace, delivery, traceparent)
        annotate({"certline.outcome": "rejected"})
        # A new transaction: the failed one is rolled back.
        with database.transaction() as db:
            reject(
                db,
                vault,
                delivery,
                in_brief(problems),
                source=COMMANDS,
                message_id=delivery.message_id,
                command_id=command_id,
                most=most,
                forbidden=forbidden,
            )


def id_and_trace_of(delivery: Delivery) -> tuple[str | None, str | None]:
    """Return the command's id and the traceparent that a message names, which may be invalid otherwise.

    The id is that of the body, else the message id; None if neither is a UUID.
    """
    try:
        document = parse(delivery.body)
    except BadCommandError:
        document = {}
    found = id_in(document)
    with suppress(BadCommandError):
        found = found or known_id(delivery.message_id)
    return found, traceparent_in_document(document)


def _begin_span(
    trace: LateSpan, delivery: Delivery, traceparent: str | None, name: str = ""
) -> None:
    """Begin the span of a message. A CloudEvent's own `traceparent` counts for more than the message's header."""
    trace.begin(
        f"receive {name}".strip(),
        SpanKind.CONSUMER,
        parent=traceparent or delivery.traceparent,
        attributes={
            "messaging.system": "rabbitmq",
            "messaging.operation.type": "process",
            "messaging.destination.name": delivery.queue,
        },
    )


def _admit(db: Session, vault: Vault, delivery: Delivery, quota: OpenQuota, trace: LateSpan) -> str:
    """Store the command of a message. Returns the outcome for the metric: accepted, or repeated."""
    # Before the message is read: somebody who may send nothing should cost nothing.
    sender = require_known(sender_with_user(db, delivery.user_id), delivery.user_id)
    asked = incoming_command(
        delivery.body, delivery.properties["exchange"], delivery.properties["routing_key"]
    )
    _begin_span(trace, delivery, asked.traceparent, asked.name)
    permit = authorise(db, sender, asked)
    command, new = admit(
        db,
        vault,
        asked,
        user_id=delivery.user_id,
        sender=permit.sender,
        pinned=permit.pinned,
    )
    if new:
        quota.require_room(db, delivery.user_id)
        annotate({"certline.command.id": command.id, "certline.outcome": "accepted"})
        log.info(
            "ingress.accepted",
            command=command.id,
            type=asked.name,
            source=asked.source,
            sender=permit.sender,
            trace=command.trace_id,
        )
        return "accepted"
    if not (sent_by(command, delivery.user_id) or is_unverified(command)):
        raise OtherCommandError(f"command id {command.id} is in use; a new request needs a new id")
    if not delivery.redelivered:
        # Sent again, not redelivered: the sender may have missed the last event. The event keeps its id, so
        # receivers that have it already recognise the duplicate.
        told = send_last_event_again(db, command.id)
        log.info("ingress.again", command=command.id, status=command.status.value, told=told)
    return "repeated"
