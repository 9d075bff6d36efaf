"""A line whose messages the test hands on itself: from another system's command to the webhook."""

import json
from typing import Any

import pytest

from certline.models.events.outbox import COMMANDS, INGRESS
from certline.producers.ingress import take
from certline.producers.messaging.delivery import Delivery
from certline.producers.relay import Relay
from tests.integration.producers.senders import ORDER, an_event
from tests.integration.workers.conftest import Bench
from tests.integration.workers.runtime.test_weight import ConfirmingWire
from tests.servers import until
from tests.support.factories import senders_of_everything

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
OUTSIDE = f"00-{TRACE}-{SPAN}-01"


class Line:
    """A bench with an ingress before it and a relay behind it."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.relay = Relay(bench.database, ConfirmingWire())
        bench.database.run(senders_of_everything)

    def hear(
        self, *, headers: dict[str, Any] | None = None, organization: str = "", **attributes: Any
    ) -> str:
        """Take another system's order. Returns the id of its command."""
        wanted = ORDER | {"key_algorithm": "EC", "key_size": "P-256"}
        wanted["organization"] = organization or ORDER["organization"]
        event = an_event(data=wanted, **attributes)
        properties = {
            "exchange": COMMANDS,
            "routing_key": "order",
            "message_id": event["id"],
            "user_id": "guest",
            "headers": headers or {},
        }
        delivery = Delivery(INGRESS, False, properties, json.dumps(event).encode())
        take(self.bench.database, self.bench.line.vault, delivery)
        return str(event["id"])

    def go_on(self) -> int:
        """Publish what is due, and run every command that waits. Returns how many were run."""
        self.relay.pump()
        self.bench.make_due()
        return self.bench.run_due()

    def go_on_to_the_end(self) -> None:
        """Go on until nothing waits."""
        until(lambda: self.go_on() == 0 and self.relay.pump() == 0, 60, every=0.01)


@pytest.fixture
def line(bench: Bench) -> Line:
    """Return a line with a synced account."""
    line = Line(bench)
    line.go_on_to_the_end()
    return line
