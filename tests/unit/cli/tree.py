"""Every command of the CLI, for tests of rules that all commands share, and of texts that name commands."""

import re
import shlex
from collections.abc import Iterator

import click

from certline.cli.main import certline
from certline.cli.ui.grammar import LazyGroup

EVERYWHERE = {"--json", "--help", "--version", "-h"}


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


def words_of(line: str) -> list[str] | None:
    """Return the words after `certline`, up to a pipe or a redirection; None for another program's line."""
    typed = re.match(r"(?:docker compose exec (?:-T )?(?:-e \S+ )?\w+ |\S*/)?certline\s+(.*)", line)
    return None if typed is None else shlex.split(re.split(r"\s[|<>]\s", typed[1])[0])


def found(words: list[str]) -> tuple[str, list[str]]:
    """Return the command that the words name, and the remaining words."""
    path, rest = "certline", [word for word in words if word not in EVERYWHERE]
    known = commands()
    while rest and f"{path} {rest[0]}" in known:
        path = f"{path} {rest.pop(0)}"
    return path, rest


def _below(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, LazyGroup):
        for name in command.places:
            yield from _below(command.load(name), f"{path} {name}")
    elif isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from _below(below, f"{path} {name}")
