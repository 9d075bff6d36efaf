"""Our reference in the comment of an order at SCM, by which reconciling finds the order again."""

from certline.models import Order

# SCM's limit for `comments`, in characters (SCM document: limits).
LONGEST_COMMENT = 1024


def sent_comment(order: Order) -> str:
    """Return the comment sent to SCM: the requester's, followed by our reference.

    The reference is left out if both exceed LONGEST_COMMENT; reconciling then relies on the names.
    """
    comment = f"{order.comments} {reference_in_comment(order)}".strip()
    return comment if len(comment) <= LONGEST_COMMENT else order.comments


def reference_in_comment(order: Order) -> str:
    """Return our reference in the form in which it is put into SCM's comment."""
    return f"[certline:{order.reference}]"
