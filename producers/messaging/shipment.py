"""Messages that were sent together, and what became of each."""

from dataclasses import dataclass, field

from certline.models.events.due import DueMessage
from certline.producers.messaging.window import ConfirmWindow, Verdicts


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
