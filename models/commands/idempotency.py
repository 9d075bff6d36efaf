"""Idempotency of commands: the id under which one is accepted once, and the digest by which it is recognised."""

import hashlib
import json
import uuid
from typing import Any

from certline.models.validation import BadCommandError


def known_id(text: str) -> str:
    """Return a command id in canonical form. Raises BadCommandError if it is not a UUID."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise BadCommandError([f"id: {text!r} is not a UUID"]) from None


def digest_of(payload: dict[str, Any]) -> str:
    """Return the hex SHA-256 of a payload, regardless of the order of its keys.

    Sealed passwords are left out: encrypting the same one twice gives different texts.
    """
    plain = {name: value for name, value in payload.items() if not name.endswith("_sealed")}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
