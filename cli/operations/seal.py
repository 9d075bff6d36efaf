"""`certline seal`: encryption of a password for use in a message."""

from pathlib import Path

import click

from certline.cli import context
from certline.cli.errors import WRONG_USE, Fault
from certline.cli.parameters.kinds import keystore_option
from certline.cli.parameters.options import password
from certline.cli.parameters.text_file import TextFile, TextFileType, read_bytes
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.output import answer, say
from certline.models.validation import OPENS_DAYS


@click.command(cls=CliCommand)
@click.option(
    "--public-key",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The key that certline keys public prints; neither database nor secret key is then needed.",
)
@click.option(
    "--sender",
    metavar="USER",
    help="The RabbitMQ user that will send it: from nobody else it is taken. Default: from any.",
)
@click.option(
    "--password-file",
    type=TextFileType(),
    metavar="FILE",
    help="File whose first line is the password, or - for standard input. Default: a prompt.",
)
@keystore_option("The keystore type that the message orders.", default="PKCS12", show_default=True)
def seal(
    public_key: Path | None, sender: str | None, password_file: TextFile | None, keystore_type: str
) -> None:
    """Encrypt a password for use in a message, with the installation's public key.

    The output is the value of keystore_password_sealed. A password with which the keystore could not
    be opened is refused. Only the installation can decrypt it; the same password gives a different text
    each time.
    """
    from certline.models.ciphers import sealed_text
    from certline.models.ciphers.sealed_text import SealedTextError
    from certline.workers.keys import password_problem

    if sender is not None and not sender.strip():
        raise Fault(
            "--sender: the text is empty, and would seal for anybody; leave the option out for that",
            code=WRONG_USE,
        )
    pem = _installations_own() if public_key is None else read_bytes(public_key, "--public-key")
    try:
        sealed_text.id_of(pem)
    except SealedTextError as fault:
        raise Fault(f"--public-key: {public_key} {fault}", code=WRONG_USE) from None
    secret = password(password_file, "The keystore's password")
    problem = password_problem(keystore_type, secret)
    if problem is not None:
        raise Fault(problem, code=WRONG_USE)
    try:
        sealed = sealed_text.seal(pem, secret.encode(), sender or "")
    except SealedTextError as fault:
        raise Fault(str(fault), code=WRONG_USE) from None
    answer({"sealed": sealed}, lambda: say(sealed))


def _installations_own() -> bytes:
    from certline.producers.requests.secret_keys import current_public_key

    return current_public_key(
        context.database(), context.vault(), new=False, days=OPENS_DAYS, who=context.person()
    ).pem
