"""Progress of a plan of all renewals, for whoever waits at a terminal."""

import sys
import time
from collections.abc import Callable

from certline.cli.ui.output import as_json, whisper

# Seconds between two lines; a plan that takes less shows none.
EVERY = 2.0


def plan_progress(what: str = "planned") -> Callable[[int, int], None]:
    """Return a function that tells how many certificates of how many are planned, every few seconds."""
    told = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal told
        if sys.stderr.isatty() and not as_json() and time.monotonic() - told > EVERY:
            told = time.monotonic()
            whisper(f"{what}: {done:,} of {total:,} certificates")

    return tell
