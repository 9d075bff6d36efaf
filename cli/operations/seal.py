"""`certline seal`: a password as it may stand in a message."""

from typing import IO

import rich_click as click

from certline.cli import context
from certline.cli.ui.grammar import Command
from certline.cli.ui.options import password
from certline.cli.ui.output import answer, say


@click.command(cls=Command)
@click.option(
    "--password-file",
    type=click.File(),
    metavar="FILE",
    help="Its first line is the password, - for standard input; without it, it is asked for.",
)
def seal(password_file: IO[str] | None) -> None:
    """Seal a password for a message, with the line's secret key.

    It stands in keystore_password_sealed. Only who has the key can seal, and open again; the same
    password differs each time.
    """
    vault = context.vault()
    secret = password(password_file, "--password-file", "The keystore's password")
    sealed = vault.seal(secret.encode()).decode()
    answer({"sealed": sealed}, lambda: say(sealed))
