"""What there is at the end of a run, what the test had asked for, and what a check of both is."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from certline.models import OrderStatus
from certline.models.vault import Vault


@dataclass(frozen=True)
class Expected:
    """What the test asked for, and what it allows to be there at the end.

    `rests`: states that are not final, and are right for these orders. `letters`: messages that had
    to end as dead letters.
    """

    names: Collection[str]
    rests: Collection[OrderStatus] = ()
    letters: int = 0


@dataclass(frozen=True)
class World:
    """What there is at the end of a run. `heard`: the ids of the events that a listener got."""

    expected: Expected
    at_scm: list[dict[str, Any]]
    heard: list[str]
    waiting: dict[str, int] = field(default_factory=dict)
    sick: dict[str, str] = field(default_factory=dict)


# A check answers sentences about what is wrong.
Check = Callable[[Session, World, Vault], Iterator[str]]
