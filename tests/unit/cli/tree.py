"""Every command of the CLI, for tests that hold for all of them."""

from collections.abc import Iterator

import click

from certline.cli.main import certline
from certline.cli.ui.grammar import LazyGroup


def commands() -> dict[str, click.Command]:
    """`certline order list` → the command; groups too."""
    return dict(_below(certline, "certline"))


def leaves() -> dict[str, click.Command]:
    """The commands that do something."""
    return {
        path: command
        for path, command in commands().items()
        if not isinstance(command, click.Group)
    }


def options(command: click.Command) -> list[click.Option]:
    """A command's own options: not `--json`, which all have."""
    return [
        option
        for option in command.params
        if isinstance(option, click.Option) and option.opts != ["--json"]
    ]


def _below(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, LazyGroup):
        for name in command.places:
            yield from _below(command.load(name), f"{path} {name}")
    elif isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from _below(below, f"{path} {name}")
