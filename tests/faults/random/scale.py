"""Extent of the fault tests: the short form, which CI runs, or everything (`make faults`)."""

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

EVERYTHING = "CERTLINE_TEST_FAULTS"


def is_long() -> bool:
    """Return True if everything is to be tested."""
    return os.environ.get(EVERYTHING) == "all"


def at_length(everything: Sequence[T], *, short: Sequence[T]) -> Sequence[T]:
    """Return everything, or the part that the short form tests."""
    return everything if is_long() else short
