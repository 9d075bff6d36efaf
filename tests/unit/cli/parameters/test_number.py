"""Tests of number options: none accepts a number that no column or clock holds."""

import click
import pytest

from certline.cli.parameters.number import Seconds
from certline.models.validation import MOST_INTEGER
from tests.unit.cli.tree import leaves


def test_each_number_option_has_a_largest_value_that_a_column_holds() -> None:
    unbounded = [
        f"{path} {param.opts[0]}"
        for path, command in leaves().items()
        for param in command.params
        if param.type is click.INT
        or param.type is click.FLOAT
        or (isinstance(param.type, click.IntRange) and (param.type.max or 2**40) > MOST_INTEGER)
        or (isinstance(param.type, click.FloatRange) and not isinstance(param.type, Seconds))
    ]

    assert unbounded == []


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "1e30", "", "x"])
def test_seconds_are_a_number_of_at_most_a_year(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Seconds().convert(text, None, None)
