"""Tests that docs/cli.md and the command line agree."""

import re
from pathlib import Path

import click
import pytest

from tests.unit.cli.tree import commands, leaves, options

PAGE = Path(__file__).parents[4] / "docs" / "cli.md"


def sections() -> dict[str, str]:
    """Return the text below each heading, such as `certline order list`."""
    parts = re.split(r"^#{2,3} `?(.+?)`?$", PAGE.read_text(), flags=re.MULTILINE)[1:]
    found = dict(zip(parts[::2], parts[1::2], strict=True))
    return {
        re.match(r"(certline( [a-z-]+)*)", heading)[0]: text  # type: ignore[index]  # it matches
        for heading, text in found.items()
        if heading.startswith("certline ")
    }


def runnable() -> dict[str, click.Command]:
    """Return the commands that do something, also those that have commands of their own."""
    groups = {
        path: command
        for path, command in commands().items()
        if isinstance(command, click.Group) and command.invoke_without_command
    }
    return leaves() | groups


def of_all_lists() -> str:
    """Return the paragraph about all lists."""
    found = re.search(r"^\*\*Lists\*\*.*?(?=^## )", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[0]


@pytest.mark.parametrize(("path", "command"), runnable().items(), ids=runnable())
def test_every_command_has_a_section_with_each_of_its_options(
    path: str, command: click.Command
) -> None:
    section = sections().get(path)

    assert section is not None, f"{path} is not in {PAGE.name}"
    if path.endswith(" list"):
        section += of_all_lists()
    for option in options(command):
        assert f"- `{option.opts[0]}" in section, f"{path} {option.opts[0]} is not in {PAGE.name}"


def test_the_page_has_no_command_and_no_option_that_is_not_there() -> None:
    known = {
        path: {name for option in options(command) for name in option.opts}
        for path, command in runnable().items()
    }

    for path, text in sections().items():
        assert path in known, f"{path} is no command"
        named = set(re.findall(r"^- `(--[a-z-]+)", text, flags=re.MULTILINE))
        assert named <= known[path], f"{path} has no {named - known[path]}"
