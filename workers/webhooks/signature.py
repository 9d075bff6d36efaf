"""Sign webhook deliveries according to the Standard Webhooks specification 1.0.0 (symmetric, `v1`)."""

import base64
import hashlib
import hmac
import secrets

PREFIX = "whsec_"
# Bytes; the specification requires 24 to 64.
SECRET_BYTES = 32


def new_secret() -> str:
    """Return a new random secret in the form given to the receiver: `whsec_`, then base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signed(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three signature headers of a delivery.

    `timestamp`: seconds since 1970 of this attempt, which the receiver compares with its clock.
    """
    key = base64.b64decode(secret.removeprefix(PREFIX))
    content = b".".join((message_id.encode(), str(timestamp).encode(), body))
    digest = hmac.new(key, content, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
