"""Deletion from certline's database: the request and its outcome, for orders and certificates."""

from typing import Any

from certline.cli import context
from certline.cli.errors import Fault
from certline.cli.ui.output import whisper
from certline.cli.waiting.wait import started

HERE_ONLY = (
    "Only certline's copy: SCM keeps its record, and `certline import` restores it without its key."
)


def delete(data: dict[str, Any], *, wait: bool, timeout: float | None) -> None:
    """Request a deletion, and exit. Raises Fault if an order of it is still open."""
    from certline.models.commands.payloads import DeleteCommand, read_payload
    from certline.models.lifecycle.deletion import StillOpenError
    from certline.producers.requests import certificates

    wanted = read_payload(DeleteCommand, data)
    try:
        accepted = certificates.request_deletion(
            context.database(), wanted, requested_by=context.person()
        )
    except StillOpenError as still_open:
        raise Fault(str(still_open), hint="To delete it anyway: --force") from None
    whisper(HERE_ONLY)
    started([accepted.command], wait=wait, timeout=timeout)
