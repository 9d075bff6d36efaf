"""`certline order delete` and `certificate delete`: deletion from certline's database."""

import sys
from typing import Any

import rich_click as click

from certline.cli import context
from certline.cli.errors import NOTHING, Fault
from certline.cli.ui.documents import CommandDocument
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.lookup import find_certificate, find_order
from certline.cli.ui.output import answer, say, whisper
from certline.cli.ui.projection import minute
from certline.models.commands.payloads import DeleteCommand, read_payload
from certline.models.lifecycle.deletion import StillOpenError
from certline.producers.requests import certificates

HERE_ONLY = (
    "Only certline's copy: SCM keeps its record, and `certline import` restores it without its key."
)


@click.command("delete", cls=CliCommand)
@click.argument("order_name", metavar="ORDER")
@click.option("--comments", metavar="TEXT", help="The reason, for the audit log.")
@click.option("--yes", is_flag=True, help="Delete it even if it is still open, without asking.")
def delete_order(order_name: str, *, comments: str | None, yes: bool) -> None:
    """Delete an order that brought no certificate, and destroy its private key.

    Only in certline's database: nothing changes at SCM. To withdraw it there: certline order cancel.
    """
    with context.database().transaction() as db:
        found = find_order(db, order_name)
    _delete({"order": found.id, "comments": comments, "yes": yes})


@click.command("delete", cls=CliCommand)
@click.argument("name", metavar="CERT")
@click.option("--comments", metavar="TEXT", help="The reason, for the audit log.")
@click.option(
    "--yes", is_flag=True, help="Delete it even if an order of it is open, without asking."
)
def delete_certificate(name: str, *, comments: str | None, yes: bool) -> None:
    """Delete a certificate with its renewals and reissues, and destroy their private keys.

    Only in certline's database: nothing changes at SCM, and the certificate stays valid unless it was
    revoked. Its line becomes free, and the oldest held order goes on. On a terminal it asks first.
    """
    with context.database().transaction() as db:
        found = find_certificate(db, name)
    if not yes and sys.stdin.isatty():
        whisper(
            f"{found.common_name}, serial number {found.serial_number}, valid until "
            f"{minute(found.not_after)} UTC, {found.status}. {HERE_ONLY}"
        )
        if not click.confirm("Delete it with all its versions and private keys?", err=True):
            raise Fault("nothing was deleted", code=NOTHING)
    _delete({"certificate": found.id, "comments": comments, "yes": yes})


def _delete(data: dict[str, Any]) -> None:
    wanted = read_payload("delete", data)
    assert isinstance(wanted, DeleteCommand)  # noqa: S101  # for mypy: the name says so
    try:
        accepted = certificates.request_deletion(
            context.database(), wanted, requested_by=context.person()
        )
    except StillOpenError as still_open:
        raise Fault(str(still_open), hint="To delete it anyway: --yes") from None
    command = accepted.command
    answer(CommandDocument.of(command), lambda: _tell(command.result or {}))


def _tell(gone: dict[str, Any]) -> None:
    keys = gone["keys_destroyed"]
    count = len(gone.get("certificates", []))
    what = f"{count} of its certificates and" if count else "the order and"
    say(
        f"Deleted from certline: {gone['common_name']}, {what} {keys} private key{'' if keys == 1 else 's'}."
    )
    whisper(HERE_ONLY)
