"""Our reference in the comment of an order at SCM, by which reconciling finds the order again."""

import hashlib
import re
import uuid

from ulid import ULID

from certline.models import Order

# SCM's limit for `comments`, in characters (SCM document: limits).
LONGEST_COMMENT = 1024
# Our reference in a comment, of whichever order; see `reference_in_comment`.
ANY_REFERENCE = re.compile(r"\[certline:(\w+)\]")


def reference_of(command_id: str) -> str:
    """Return the reference of a command's order: 26 characters that follow from the command's id alone.

    A command that is sent again after a restore thereby finds its order at SCM (docs/decisions/restore.md).
    """
    digest = hashlib.sha256(b"certline order " + uuid.UUID(command_id).bytes).digest()
    return str(ULID.from_bytes(digest[:16]))


def sent_comment(order: Order) -> str:
    """Return the comment sent to SCM: the requester's, followed by our reference.

    The reference is left out if both exceed LONGEST_COMMENT; reconciling then relies on the names.
    """
    comment = f"{order.comments} {reference_in_comment(order)}".strip()
    return comment if len(comment) <= LONGEST_COMMENT else order.comments


def reference_in_comment(order: Order) -> str:
    """Return our reference in the form in which it is put into SCM's comment."""
    return f"[certline:{order.reference}]"
