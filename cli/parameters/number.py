"""Option types for numbers, each with a largest value that Postgres and the clock can hold."""

import math
from typing import Any

import click

from certline.models.validation import MOST_INTEGER

# Seconds: a year.
LONGEST = 366 * 86_400


class Whole(click.IntRange):
    """An option type: a whole number that fits an integer column."""

    def __init__(self, least: int = 0, most: int = MOST_INTEGER) -> None:
        super().__init__(min=least, max=most)


class Seconds(click.FloatRange):
    """An option type: a duration in seconds, of at most a year."""

    def __init__(self) -> None:
        super().__init__(min=0, max=LONGEST)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds. Fails with a usage error if the text is no number in the range."""
        seconds = float(super().convert(value, param, ctx))
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a number", param, ctx)
        return seconds
