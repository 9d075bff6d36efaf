"""What another system asks for during the drill: orders, renewals and reissues, under ids that it keeps."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.faults.harness.external_client import command_event

IDS = uuid.UUID("0c0d6f0e-93a4-5d1e-8a5c-2f9a7b1c4e60")


@dataclass(frozen=True)
class Intent:
    """A command of another system; `name` is the common name of the certificate that it wants."""

    kind: str
    name: str
    data: dict[str, Any]

    @property
    def id(self) -> str:
        """The command's id: the same whenever it is sent again."""
        return str(uuid.uuid5(IDS, f"{self.kind} {self.name}"))

    def event(self) -> dict[str, Any]:
        """Return the CloudEvent that is sent."""
        return command_event(self.kind, self.data, self.id)


@dataclass
class Intents:
    """All that was asked for so far."""

    sent: list[Intent] = field(default_factory=list)

    def of(self, kind: str) -> list[Intent]:
        """Return the commands of a kind."""
        return [each for each in self.sent if each.kind == kind]

    def add(self, more: Iterable[Intent]) -> list[dict[str, Any]]:
        """Remember commands, and return the events to send."""
        fresh = list(more)
        self.sent += fresh
        return [each.event() for each in fresh]


def orders(first: int, last: int) -> list[Intent]:
    """Return the orders of these numbers, the last one left out."""
    return [an_order(number) for number in range(first, last)]


def an_order(number: int) -> Intent:
    """Return the order of that number."""
    name = name_of(number)
    wanted = {
        "common_name": name,
        "organization": "Nordhafen University",
        "profile": "OV Multi-Domain SSL",
        "term": 90,
        "key_algorithm": "EC",
        "key_size": "P-256",
    }
    return Intent("order", name, wanted)


def successors(count: int) -> list[Intent]:
    """Return renewals of the first `count` certificates, and a reissue of the next one."""
    renewals = [
        Intent("renew", name_of(number), {"certificate": name_of(number)})
        for number in range(count)
    ]
    name = name_of(count)
    return [*renewals, Intent("reissue", name, {"certificate": name, "reason": "key moved"})]


def name_of(number: int) -> str:
    """Return the common name of the order of that number."""
    return f"host{number}.nordhafen.example"
