"""`certline seal`: encryption of a password for use in a message."""

import rich_click as click

from certline.cli import context
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.options import password
from certline.cli.ui.output import answer, say
from certline.cli.ui.text_file import TextFile, TextFileType


@click.command(cls=CliCommand)
@click.option(
    "--password-file",
    type=TextFileType(),
    metavar="FILE",
    help="File whose first line is the password, or - for standard input. Default: a prompt.",
)
def seal(password_file: TextFile | None) -> None:
    """Encrypt a password for use in a message, with the installation's secret key.

    The output is the value of keystore_password_sealed. Only the holder of the key can encrypt and decrypt
    it; the same password gives a different text each time.
    """
    vault = context.vault()
    secret = password(password_file, "The keystore's password")
    sealed = vault.seal(secret.encode()).decode()
    answer({"sealed": sealed}, lambda: say(sealed))
