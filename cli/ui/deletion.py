"""Deletion from certline's database: the request and its outcome, for orders and certificates."""

from typing import Any

from certline.cli import context
from certline.cli.errors import Fault
from certline.cli.ui.documents import CommandDocument
from certline.cli.ui.output import answer, say, whisper
from certline.models.commands.payloads import DeleteCommand, read_payload
from certline.models.lifecycle.deletion import StillOpenError
from certline.producers.requests import certificates

HERE_ONLY = (
    "Only certline's copy: SCM keeps its record, and `certline import` restores it without its key."
)


def delete(data: dict[str, Any]) -> None:
    """Request a deletion and print what was deleted. Raises Fault if an order of it is still open."""
    wanted = read_payload(DeleteCommand, data)
    try:
        accepted = certificates.request_deletion(
            context.database(), wanted, requested_by=context.person()
        )
    except StillOpenError as still_open:
        raise Fault(str(still_open), hint="To delete it anyway: --force") from None
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
