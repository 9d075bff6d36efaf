"""Signatures of webhooks, by the Standard Webhooks specification 1.0.0 (symmetric, `v1`)."""

import base64
import hashlib
import hmac
import secrets

PREFIX = "whsec_"
# Bytes; the specification wants 24 to 64.
SECRET_BYTES = 32


def new_secret() -> str:
    """A fresh secret as its receiver keeps it: `whsec_` and base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signed(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers. `timestamp` in seconds since 1970 is that of this try."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    content = b".".join((message_id.encode(), str(timestamp).encode(), body))
    digest = hmac.new(key, content, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
