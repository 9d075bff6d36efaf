"""Messages that were sent together, and what became of each."""

from contextlib import ExitStack
from dataclasses import dataclass, field

import structlog
from sqlalchemy.orm import Session

from certline.models.events.due import Batch, DueMessage
from certline.producers.messaging.window import ConfirmWindow, Verdicts

log = structlog.get_logger()


class WireDownError(Exception):
    """The broker is unreachable: no row can be published now."""


@dataclass
class Settled:
    """What became of the messages sent: those confirmed, and why others were refused, by their ids.

    The outcome of all others is unknown. `down`: the broker was lost meanwhile.
    """

    confirmed: list[DueMessage] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    down: WireDownError | None = None


@dataclass
class Shipment:
    """Messages that were sent together, until it is settled what became of each.

    `pending`: those whose outcome is not known yet, by their ids. `window`: where they were published last, and
    `verdicts`: what RabbitMQ said of them there.
    """

    pending: dict[int, DueMessage] = field(default_factory=dict)
    settled: Settled = field(default_factory=Settled)
    window: ConfirmWindow | None = None
    verdicts: Verdicts = field(default_factory=Verdicts)

    def refuse(self, message: DueMessage, why: str) -> None:
        """Note that the broker refused a message. `why` may have a place `{}` for its routing key."""
        self.pending.pop(message.id, None)
        self.settled.refused[message.id] = why.format(message.routing_key)


@dataclass
class Flight:
    """A batch between its claim and the commit that marks it as sent.

    `end` ends the transaction. `shipment`: its messages at the broker, from `sent_at` on (nanoseconds since 1970);
    None before that.
    """

    end: ExitStack
    db: Session
    batch: Batch
    shipment: Shipment | None = None
    sent_at: int = 0


def tell_refusal(message: DueMessage, why: str, *, is_parked: bool) -> None:
    """Log that RabbitMQ refuses a message, with what it is about; one that is parked waits for a person."""
    facts = {"row": message.id, "event_id": message.event_id, "to": message.routing_key}
    body = message.body
    command = (
        body.get("correlationid") if message.is_event else body.get("kwargs", {}).get("command_id")
    )
    if is_parked:
        log.error("relay.parked", command=command, why=why, **facts)
    else:
        log.warning("relay.refused", command=command, why=why, **facts)
