"""Texts of others, made fit for a terminal: what would steer it, or reorder what is read, is shown instead.

Imports nothing of ours: the command line needs it before it loads anything else.
"""

import io
import re
from collections.abc import Callable, MutableMapping
from types import TracebackType
from typing import Any, TextIO

# Shown as escapes: control characters (C0 but for tab and line feed, DEL, C1), bidirectional marks, embeddings,
# overrides and isolates, line separators, characters without a width that hide a difference, tags, and halves of
# surrogate pairs. The joiners U+200C and U+200D stay: Persian, Indic scripts and emoji need them.
UNFIT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def visible(text: str) -> str:
    r"""Return a text that is safe on a terminal: what is unfit for one is shown as `\x1b` or `\u202e`.

    Letters of every script, tabs and line feeds stay as they are.
    """
    if text.isascii() and text.isprintable():
        return text
    return UNFIT.sub(_escape, text)


def visible_json(text: str) -> str:
    """Return a JSON text that is safe on a terminal, and means the same: what is unfit is written as an escape.

    JSON itself escapes the control characters of ASCII only.
    """
    return text if text.isascii() and "\x7f" not in text else UNFIT.sub(_json_escape, text)


def visible_entry(
    _logger: object, _method: str, entry: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Make the texts of a log entry safe on a terminal; a line end in one cannot forge a further entry.

    A processor of structlog, to stand right before its console renderer.
    """
    for name, value in list(entry.items()):
        if isinstance(value, str):
            lines = visible(value)
            # The event itself may be a library's text of several lines.
            entry[name] = lines.replace("\n", "\n    " if name == "event" else "\\n")
    return entry


def visible_traceback(
    write: Callable[[TextIO, ExcInfo], None],
) -> Callable[[TextIO, ExcInfo], None]:
    """Return a writer of tracebacks whose texts are safe on a terminal."""

    def written(stream: TextIO, error: ExcInfo) -> None:
        lines = io.StringIO()
        write(lines, error)
        stream.write(visible(lines.getvalue()))

    return written


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else _wide(code)


def _json_escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    above = code - 0x10000  # as JSON writes it: a pair of surrogates
    return f"\\u{0xD800 + (above >> 10):04x}\\u{0xDC00 + (above & 0x3FF):04x}"


def _wide(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
