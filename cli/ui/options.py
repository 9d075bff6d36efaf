"""Parsing and checking of option values and input files; errors name the option."""

import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import click

from certline.cli.errors import WRONG_USE, Fault
from certline.models.csr.armor import LARGEST, SigningRequestError
from certline.models.csr.private_key import REFUSAL, holds_private_key
from certline.models.csr.request import read_request
from certline.models.renewals.batch_pace import per_hour


class PaceType(click.ParamType[int]):
    """An option type: a number of renewals per hour."""

    name = "pace"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the renewals per hour. Fails with a usage error if the text is not a pace."""
        try:
            return per_hour(str(value))
        except ValueError as wrong:
            self.fail(str(wrong), param, ctx)


def uuid_text(_context: click.Context, option: click.Parameter, given: str | None) -> str | None:
    """Return a UUID in its canonical form."""
    if given is None:
        return None
    try:
        return str(uuid.UUID(given))
    except ValueError:
        raise click.BadParameter(f"{given!r} is not a UUID", param=option) from None


def moment(_context: click.Context, option: click.Parameter, given: str | None) -> datetime | None:
    """Parse a date (its first instant) or a time in ISO 8601; without a zone it is UTC."""
    if given is None:
        return None
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        told = f"{given!r} is not a date or time, such as 2026-11-25 or 2026-11-25T09:30"
        raise click.BadParameter(told, param=option) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def first_line(file: IO[str], option: str) -> str:
    """Return the first line of a file that holds a secret. Raises Fault if the line is empty."""
    text = file.readline().rstrip("\r\n")
    if not text:
        raise Fault(f"{option}: the first line is empty", code=WRONG_USE)
    if holds_private_key(text):
        raise Fault(f"{option}: this is a private key, not a password", code=WRONG_USE)
    return text


def whole(path: Path, option: str) -> str:
    """Return the content of a text file, or of standard input for `-`. Raises Fault."""
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise Fault(f"{option}: {path} cannot be read: {why}", code=WRONG_USE) from None


def without_key(text: str, option: str, hint: str = "") -> str:
    """Return a text that is stored or shown. Raises Fault if it holds a private key, and repeats none of it."""
    if holds_private_key(text):
        raise Fault(f"{option}: what was given {REFUSAL}", code=WRONG_USE, hint=hint)
    return text


def signing_request(path: Path, option: str) -> str:
    """Return the one signing request in a file (PEM, DER, UTF-16), or on standard input for `-`, as our PEM.

    Raises Fault, with what is wrong with it.
    """
    try:
        if str(path) == "-":
            content = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with path.open("rb") as file:
                content = file.read(LARGEST + 1)
    except OSError as error:
        raise Fault(f"{option}: {path} cannot be read: {error.strerror}", code=WRONG_USE) from None
    try:
        return read_request(content).pem
    except SigningRequestError as wrong:
        raise Fault(f"{option}: {path}: {wrong}", code=WRONG_USE) from None


def password(file: IO[str] | None, option: str, prompt: str) -> str:
    """Return a password from a file, a hidden prompt, or (no terminal) a line of standard input. Raises
    Fault.
    """
    if file is not None:
        return first_line(file, option)
    if sys.stdin.isatty():
        return str(click.prompt(prompt, hide_input=True, err=True))
    return first_line(sys.stdin, "the password on standard input")
