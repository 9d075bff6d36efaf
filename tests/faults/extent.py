"""How much is tried: the short form, which CI runs, or everything (`make faults`)."""

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

EVERYTHING = "CERTLINE_TEST_FAULTS"


def is_long() -> bool:
    """Whether everything is tried."""
    return os.environ.get(EVERYTHING) == "all"


def at_length(everything: Sequence[T], *, short: Sequence[T]) -> Sequence[T]:
    """All of it, or the part that the short form tries."""
    return everything if is_long() else short
