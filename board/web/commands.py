"""Commands of the command line that a page shows, to copy; the board itself runs none."""

from shlex import quote
from typing import NamedTuple


class Suggestion(NamedTuple):
    """Command to type, and what it is for: `Decide about the order`."""

    purpose: str
    command: str


def typed(*words: object) -> str:
    """Return a command of ours, with each word quoted for a shell: `typed("order", "show", id)`."""
    return " ".join(["certline", *(quote(str(word)) for word in words)])


def same_list(*words: str, narrowed: bool) -> Suggestion:
    """Return the command of a list; of one that filters narrow, its help, which has the options for them."""
    if narrowed:
        return Suggestion("Such a list in a terminal: its options", typed(*words, "--help"))
    return Suggestion("The same list", typed(*words))
