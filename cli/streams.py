"""The three standard streams: usable however the process was started, and whatever the terminal can show."""

import codecs
import io
import os
import sys
from contextlib import suppress

# ASCII forms of characters in our output, for terminals that can't show them; by code, as some look alike.
PAIRS = (
    *(("\u00b7", "-"), ("\u2192", "->"), ("\u2190", "<-"), ("\u2026", "..."), ("\u00d7", "x")),
    *(
        ("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
        ("\u201c\u201d\u201e", '"'),
        ("\u2018\u2019", "'"),
    ),
    *(("\u00a0\u202f", " "), ("\u2022", "*"), ("\u2713\u2714", "+"), ("\u2717\u2718", "x")),
    # Frames; bars follow.
    *(("\u2500\u2501\u2550", "-"), ("\u2502\u2503\u2551", "|")),
)
ASCII_FORMS = {character: form for characters, form in PAIRS for character in characters} | {
    chr(code): "#" for code in range(0x2580, 0x25A0)
}
HANDLER = "certline.ascii"


def prepare() -> None:
    """Make the standard streams usable: a closed one becomes the null device, and output never fails to encode."""
    codecs.register_error(HANDLER, _in_ascii)
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            # Closed by the caller (`>&-`). Opened again under its number, or the next socket would get it.
            setattr(sys, name, _null(number, mode))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=HANDLER)


def finish() -> None:
    """Flush the output, so that a full disk or a closed pipe is noticed here. Raises OSError."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


def abandon() -> None:
    """Point the output to the null device, so that Python's own flush at the end cannot fail."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def shows(text: str) -> bool:
    """Return True if standard output can show a text as it is."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _null(number: int, mode: str) -> io.TextIOWrapper:
    opened = os.open(os.devnull, os.O_RDONLY if mode == "r" else os.O_WRONLY)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)
    return io.TextIOWrapper(os.fdopen(number, f"{mode}b"), encoding="utf-8", write_through=True)


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    refused = error.object[error.start : error.end]
    return "".join(ASCII_FORMS.get(character, "?") for character in refused), error.end
