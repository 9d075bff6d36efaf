"""Every command of the CLI, for tests of rules that all commands share."""

from collections.abc import Iterator

import click

from certline.cli.main import certline
from certline.cli.ui.grammar import LazyGroup


def commands() -> dict[str, click.Command]:
    """Return every command and group by its name, such as `certline order list`."""
    return dict(_below(certline, "certline"))


def leaves() -> dict[str, click.Command]:
    """Return the commands that are not groups."""
    return {
        path: command
        for path, command in commands().items()
        if not isinstance(command, click.Group)
    }


def options(command: click.Command) -> list[click.Option]:
    """Return a command's own options, without `--json`, which all have."""
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
