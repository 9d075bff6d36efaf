"""Where the witness is kept: in a queue of RabbitMQ with one message, or in a file beside an embedded database."""

import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import structlog
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker

from certline.models.events.due import DueMessage
from certline.producers.messaging.broker_fault import broker_fault
from certline.producers.messaging.publisher import LOST, RabbitWire
from certline.producers.messaging.shipment import WireDownError
from certline.workers.process.broker import NO_LIMIT

log = structlog.get_logger()

WITNESS = "certline.witness"
# A new witness takes the place of the last one.
ONE = {"x-max-length": 1, "x-overflow": "drop-head"}
# Each look puts the witness back, which RabbitMQ counts as a delivery that came to nothing.
LASTING_ONE = {**ONE, "x-queue-type": "quorum", "x-delivery-limit": NO_LIMIT}
# AMQP: access refused, and declared with other arguments by somebody.
REFUSALS = (403, 406)
# Another relay holds the witness while it reads it, for milliseconds: so often, and so many seconds apart, an
# empty queue is looked at before it counts as one.
LOOKS, LOOK_EVERY = 10, 0.05
# And one that was frozen while it read it holds it until RabbitMQ gives up its connection, by missing heartbeats:
# 80 s were measured. Until then an empty queue says nothing.
HELD_FOR = 90.0


class WitnessStore(Protocol):
    """A place outside the database for one witness."""

    @property
    def held_for(self) -> float:
        """Seconds for which `read` may return None although there is one: another process holds it."""

    def read(self) -> bytes | None:
        """Return what was written last, or None. Raises WireDownError."""

    def write(self, body: bytes) -> bool:
        """Keep this in place of what was written before. Returns False if it is refused. Raises WireDownError."""


class WitnessQueue:
    """A durable queue with one message, over the wire of the relay, and used by its thread."""

    def __init__(self, wire: RabbitWire, *, quorum: bool) -> None:
        self._wire = wire
        self._arguments = LASTING_ONE if quorum else ONE
        self._is_refused = False

    @property
    def held_for(self) -> float:
        """Seconds after which a frozen relay no longer holds the message; 0 if the queue is refused to us."""
        return 0.0 if self._is_refused else HELD_FOR

    def read(self) -> bytes | None:
        """Return the message, which stays in the queue, or None without one. Raises WireDownError."""
        return self._declare(_first)

    def write(self, body: bytes) -> bool:
        """Publish the message, and wait for the confirm. Returns False without one. Raises WireDownError."""
        if self._is_refused:
            return False
        # A row of the outbox that is none: so a frozen or blocked RabbitMQ is given up as soon as with any other.
        message = DueMessage(0, str(uuid.uuid4()), "", WITNESS, body.decode())
        settled = self._wire.settle(self._wire.send([message]))
        if settled.down is not None:
            raise settled.down
        if not settled.confirmed:
            # The queue was deleted: declared again, it takes the next one.
            self._declare(_nothing)
        return bool(settled.confirmed)

    def _declare(self, use: Callable[[BlockingChannel], bytes | None]) -> bytes | None:
        """Declare the queue on a channel of its own, and return what `use` returns; None if that is refused."""
        try:
            channel = self._wire.channel()
            channel.queue_declare(WITNESS, durable=True, arguments=self._arguments)
            found = use(channel)
            # What was not acknowledged on this channel goes back to its place in the queue.
            channel.close()
        except ChannelClosedByBroker as refusal:
            self._note_refusal(refusal)
            return None
        except LOST as error:
            raise self._down(error) from error
        self._is_refused = False
        return found

    def _note_refusal(self, refusal: ChannelClosedByBroker) -> None:
        """Log that it cannot be kept, once. Raises WireDownError for what passes: the queue's node is down."""
        if refusal.reply_code not in REFUSALS:
            raise self._down(refusal) from refusal
        if not self._is_refused:
            log.warning("witness.not_kept", why=refusal.reply_text, advice="see docs/rabbitmq.md")
        self._is_refused = True

    def _down(self, error: BaseException) -> WireDownError:
        self._wire.close()
        return WireDownError(f"RabbitMQ {broker_fault(error)}")


class WitnessFile:
    """A file beside the embedded database: it shows that the database's folder alone was put back."""

    held_for = 0.0

    def __init__(self, path: Path | None) -> None:
        """Create the store. `path`: of the file; without one nothing is kept."""
        self._path = path

    def read(self) -> bytes | None:
        """Return what is in the file, or None without one."""
        with suppress(OSError):
            if self._path is not None:
                return self._path.read_bytes()
        return None

    def write(self, body: bytes) -> bool:
        """Replace the file. Returns False if it cannot be written, or nothing is kept."""
        if self._path is None:
            return False
        draft = self._path.with_suffix(".new")
        try:
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
        except OSError as error:
            log.warning("witness.not_kept", why=error.strerror or str(error), file=str(self._path))
            return False
        return True


def _nothing(_channel: BlockingChannel) -> None:
    """Do nothing with the queue that was declared."""


def _first(channel: BlockingChannel) -> bytes | None:
    """Return the first message of the queue, unacknowledged, or None if it stays empty."""
    for _ in range(LOOKS):
        _, _, body = channel.basic_get(WITNESS)
        if body is not None:
            return bytes(body)
        channel.connection.sleep(LOOK_EVERY)
    return None
