"""Links from what a command or an audit entry is about to its page."""

from certline.board.web import links
from certline.board.web.cells import Code

# Where the subject has its page, by the first word of an audit entry's type, or by the type of a command. The
# subject of a renewal is its certificate at first, and then its order.
PLACES = {
    "order": links.ORDERS,
    "poll": links.ORDERS,
    "fetch": links.ORDERS,
    "reconcile": links.ORDERS,
    "certificate": links.CERTIFICATES,
    "hook": links.CERTIFICATES,
    "command": links.COMMANDS,
    "account": links.ACCOUNTS,
    "dead_letter": links.DEAD_LETTERS,
    "webhook": links.WEBHOOKS,
}
# Entries about hooks themselves; all others of theirs are about a certificate.
ABOUT_HOOKS = ("hook.added", "hook.removed")


def subject_cell(subject: str | None, kind: str) -> Code:
    """Return a subject, with a link if it has a page. `kind`: `order.placed`, or the type of a command."""
    if subject is None:
        return Code(None)
    place = links.HOOKS if kind in ABOUT_HOOKS else PLACES.get(kind.partition(".")[0])
    return Code(subject, None if place is None else links.below(place, subject))
