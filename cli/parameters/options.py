"""Parsing and checking of option values and input files; errors name the option."""

import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from certline.cli.errors import WRONG_USE, Fault
from certline.cli.parameters.text_file import TextFile, read_bytes, text_of
from certline.workers.process.visible import visible


class PaceType(click.ParamType[int]):
    """An option type: a number of renewals per hour."""

    name = "pace"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the renewals per hour. Fails with a usage error if the text is not a pace."""
        from certline.models.renewals.batch_pace import per_hour

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


def whole(path: Path, option: str) -> str:
    """Return the content of a text file, or of standard input for `-`. Raises Fault."""
    return text_of(read_bytes(path, option), str(path), option)


def without_key(text: str, option: str, hint: str = "") -> str:
    """Return a text that is stored or shown. Raises Fault if it holds a private key, and repeats none of it."""
    from certline.models.csr.private_key import REFUSAL, holds_private_key

    if holds_private_key(text):
        raise Fault(f"{option}: what was given {REFUSAL}", code=WRONG_USE, hint=hint)
    return text


def signing_request(path: Path, option: str) -> str:
    """Return the one signing request in a file (PEM, DER, UTF-16), or on standard input for `-`, as our PEM.

    Raises Fault, with what is wrong with it.
    """
    from certline.models.csr.armor import SigningRequestError
    from certline.models.csr.request import read_request

    try:
        return read_request(read_bytes(path, option)).pem
    except SigningRequestError as wrong:
        raise Fault(f"{option}: {path}: {wrong}", code=WRONG_USE) from None


def password(file: TextFile | None, prompt: str) -> str:
    """Return a password from a file, a hidden prompt, or (no terminal) a line of standard input. Raises
    Fault.
    """
    if file is not None:
        return file.first_line()
    if not sys.stdin.isatty():
        return TextFile("-", "the password on standard input").first_line()
    try:
        typed = str(click.prompt(visible(prompt), hide_input=True, err=True))
        typed.encode()
    except UnicodeError:
        raise Fault("what was typed is not in UTF-8", code=WRONG_USE) from None
    return typed
