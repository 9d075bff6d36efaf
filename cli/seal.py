"""`certline seal`: encryption of a password for use in a message."""

from typing import IO

import rich_click as click

from cli import line
from cli.grammar import Command
from cli.output import answer, say
from cli.reading import password


@click.command(cls=Command)
@click.option(
    "--password-file",
    type=click.File(),
    metavar="FILE",
    help="File whose first line is the password, or - for standard input. Default: a prompt.",
)
def seal(password_file: IO[str] | None) -> None:
    """Encrypt a password for use in a message, with the installation's secret key.

    The output is the value of keystore_password_sealed. Only the holder of the key can encrypt and decrypt
    it; the same password gives a different text each time.
    """
    vault = line.vault()
    secret = password(password_file, "--password-file", "The keystore's password")
    sealed = vault.seal(secret.encode()).decode()
    answer({"sealed": sealed}, lambda: say(sealed))
