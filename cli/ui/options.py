"""What comes in through options and files, read and refused with the option's name."""

import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import click

from certline.cli.errors import WRONG_USE, Fault


def pairs(
    _context: click.Context, option: click.Parameter, given: tuple[str, ...]
) -> dict[str, str]:
    """`NAME=VALUE` texts as a dictionary."""
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"{text!r} is not NAME=VALUE", param=option)
        found[name.strip()] = value
    return found


def uuid_text(_context: click.Context, option: click.Parameter, given: str | None) -> str | None:
    """A UUID in its usual form."""
    if given is None:
        return None
    try:
        return str(uuid.UUID(given))
    except ValueError:
        raise click.BadParameter(f"{given!r} is not a UUID", param=option) from None


def moment(_context: click.Context, option: click.Parameter, given: str | None) -> datetime | None:
    """A date (its beginning) or a time in ISO 8601; in UTC where it says no zone."""
    if given is None:
        return None
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        told = f"{given!r} is no date or time; they look like 2026-11-25 and 2026-11-25T09:30"
        raise click.BadParameter(told, param=option) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def first_line(file: IO[str], option: str) -> str:
    """A secret's file: its first line, which must not be empty."""
    text = file.readline().rstrip("\r\n")
    if not text:
        raise Fault(f"{option}: the first line is empty", code=WRONG_USE)
    return text


def whole(path: Path, option: str) -> str:
    """A text file, or standard input for `-`."""
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise Fault(f"{option}: {path} cannot be read: {why}", code=WRONG_USE) from None


def password(file: IO[str] | None, option: str, prompt: str) -> str:
    """A password: from a file, asked for on a terminal, or a line of standard input."""
    if file is not None:
        return first_line(file, option)
    if sys.stdin.isatty():
        return str(click.prompt(prompt, hide_input=True, err=True))
    return first_line(sys.stdin, "the password on standard input")
