"""The overview as a screen that refreshes, until a key or a signal ends it."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from certline.cli.overview.lines import Line, Styled, lines_of
from certline.cli.ui.grid import TROUBLE
from certline.models.database.outage import OUTAGES, outage_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from certline.models.overview.snapshot import Snapshot

# Keys that end it: q, and Ctrl-D. Ctrl-C is a signal.
ENDS = b"qQ\x04"
HELP = "q ends"


def watch(screen: Console, look: Callable[[], Snapshot], every: float) -> None:
    """Show what `look` finds every so many seconds, on the alternate screen, until q or Ctrl-C.

    While the database does not answer, the last state stays, with a line that says so. Raises what the first look
    raises.
    """
    from rich.live import Live

    found = look()
    trouble: str | None = None
    with (
        _keys() as pressed,
        _stoppable(),
        suppress(KeyboardInterrupt),
        Live(console=screen, screen=True, auto_refresh=False) as live,
    ):
        while True:
            lines = _headed(lines_of(found, screen.width), trouble, every)
            live.update(_text(cropped(lines, screen.height)), refresh=True)
            if pressed(every):
                return
            try:
                found, trouble = look(), None
            except OUTAGES as error:
                trouble = f"the database does not answer, trying again: {outage_text(error)}"


def cropped(lines: Sequence[Line], height: int) -> list[Line]:
    """Return the lines that fit on a screen: without empty ones if need be, and one that tells of the rest."""
    if len(lines) <= height:
        return list(lines)
    full = [line for line in lines if line]
    if len(full) <= height:
        return full
    return [
        *full[: height - 1],
        [Styled(f"and {len(full) - height + 1} more lines: certline top --json")],
    ]


def _headed(lines: Sequence[Line], trouble: str | None, every: float) -> list[Line]:
    first, *others = lines
    title = [*first, Styled(f"  every {every:g} s, {HELP}")]
    return [title, *([[Styled(trouble, TROUBLE)]] if trouble else []), *others]


def _text(lines: Sequence[Line]) -> Text:
    from rich.text import Text

    text = Text(no_wrap=True, overflow="crop")
    for number, line in enumerate(lines):
        text.append("\n" if number else "")
        for piece in line:
            text.append(piece.text, piece.style or None)
    return text


@contextmanager
def _keys() -> Iterator[Callable[[float], bool]]:
    """Yield a function that waits so many seconds, and returns True as soon as a key that ends it is pressed."""
    if not sys.stdin.isatty():
        yield _rest
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield _pressed
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _rest(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def _pressed(seconds: float) -> bool:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if select.select([sys.stdin], [], [], left)[0]:
            keys = os.read(sys.stdin.fileno(), 64)
            if not keys or set(keys) & set(ENDS):  # without a key: the terminal is gone
                return True
    return False


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does, so that the terminal is left as it was."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, stop) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
