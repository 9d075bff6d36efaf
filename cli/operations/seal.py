"""`certline seal`: encryption of a password for use in a message."""

import rich_click as click

from certline.cli import context
from certline.cli.errors import WRONG_USE, Fault
from certline.cli.parameters.kinds import keystore_option
from certline.cli.parameters.options import password
from certline.cli.parameters.text_file import TextFile, TextFileType
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.output import answer, say
from certline.workers.keys import password_problem


@click.command(cls=CliCommand)
@click.option(
    "--password-file",
    type=TextFileType(),
    metavar="FILE",
    help="File whose first line is the password, or - for standard input. Default: a prompt.",
)
@keystore_option("The keystore type that the message orders.", default="PKCS12", show_default=True)
def seal(password_file: TextFile | None, keystore_type: str) -> None:
    """Encrypt a password for use in a message, with the installation's secret key.

    The output is the value of keystore_password_sealed. A password with which the keystore could not
    be opened is refused. Only the holder of the key can encrypt and decrypt it; the same password gives a
    different text each time.
    """
    vault = context.vault()
    secret = password(password_file, "The keystore's password")
    problem = password_problem(keystore_type, secret)
    if problem is not None:
        raise Fault(problem, code=WRONG_USE)
    sealed = vault.seal(secret.encode()).decode()
    answer({"sealed": sealed}, lambda: say(sealed))
