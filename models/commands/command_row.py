"""The row of a new command."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from certline.models.audit.identity import Identity
from certline.models.states import CommandType

NOTHING_PINNED: Mapping[str, str] = MappingProxyType({})


def command_row(
    identity: str,
    kind: CommandType,
    payload: dict[str, Any],
    *,
    requested_by: Identity,
    source: str,
    subject: str | None,
    correlation_id: str,
    traceparent: str,
    sender: str | None = None,
    pinned: Mapping[str, str] = NOTHING_PINNED,
) -> dict[str, Any]:
    """Return the columns of a new command, due now unless `not_before` is added.

    `pinned`: fields whose values are stored in place of those of the payload. The digest is of the payload as it
    was sent, since that is what comes again under the same id.
    """
    from certline.models.commands.idempotency import digest_of

    return {
        "id": identity,
        "type": kind,
        "subject": subject,
        "payload": {**payload, **pinned},
        "payload_sha256": digest_of(payload),
        "requested_by": requested_by.name,
        "claimed": requested_by.claimed,
        "source": source,
        "sender": sender,
        "correlation_id": correlation_id,
        "traceparent": traceparent,
    }
