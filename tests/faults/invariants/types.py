"""Types of the checks at the end of a run: expected state, actual state, check function."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from certline.models import OrderStatus
from certline.models.vault import Vault


@dataclass(frozen=True)
class Expected:
    """Orders that the test placed, and deviations it allows at the end.

    `names`: common names, one per order; `rests`: order statuses allowed though they are not final; `letters`:
    number of dead letters expected.
    """

    names: Collection[str]
    rests: Collection[OrderStatus] = ()
    letters: int = 0


@dataclass(frozen=True)
class World:
    """State at the end of a run, outside the database.

    `at_scm`: the simulator's records; `heard`: ids of events received from RabbitMQ; `waiting`: messages by queue;
    `sick`: health text by process that is unhealthy.
    """

    expected: Expected
    at_scm: list[dict[str, Any]]
    heard: list[str]
    waiting: dict[str, int] = field(default_factory=dict)
    sick: dict[str, str] = field(default_factory=dict)


# A check yields a sentence for each fault.
Check = Callable[[Session, World, Vault], Iterator[str]]
