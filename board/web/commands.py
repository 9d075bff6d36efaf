"""Commands of the command line that a page shows, to copy; the board itself runs none."""

import re
from shlex import quote
from typing import NamedTuple

from certline.workers.process.visible import UNFIT

# Pasted into a terminal, they would end the quotation marks around them, run what follows, or ask for completions.
STEERING = re.compile(rf"[\t\n\\']|{UNFIT.pattern}")


class Suggestion(NamedTuple):
    """Command to type, and what it is for: `Decide about the order`."""

    purpose: str
    command: str


def typed(*words: object) -> str:
    """Return a command of ours, with each word quoted for a shell: `typed("order", "show", id)`."""
    return " ".join(["certline", *(quoted(str(word)) for word in words)])


def quoted(word: str) -> str:
    r"""Return a word for a shell; with control characters or marks of direction as `$'\033'` (bash, ksh, zsh).

    No quotation mark is in it, so that a shell that does not know `$'…'` takes all of it for one text.
    """
    if UNFIT.search(word) is None and not {"\t", "\n"} & set(word):
        return quote(word)
    return f"$'{STEERING.sub(_escape, word)}'"


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x80:
        return f"\\{code:03o}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def same_list(*words: str, narrowed: bool) -> Suggestion:
    """Return the command of a list; of one that filters narrow, its help, which has the options for them."""
    if narrowed:
        return Suggestion("Such a list in a terminal: its options", typed(*words, "--help"))
    return Suggestion("The same list", typed(*words))
