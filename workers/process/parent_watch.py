"""Stop this process when its parent has ended, even if the parent was killed and could not stop it."""

import os
import signal
import threading
import time

# Seconds between two checks.
LOOK_EVERY = 1.0
# Environment variable for the children of `certline run all`: the process id of that parent.
RUN_ALL = "CERTLINE_RUN_ALL"
# Set in a child of `certline run all`; the processes that it forks inherit it.
_below = threading.Event()


def end_with_run_all() -> None:
    """Make a child of `certline run all` end when that parent process has ended, however it ended."""
    parent = os.environ.pop(RUN_ALL, None)
    if parent is not None:
        _below.set()
        end_with(int(parent))


def is_below_run_all() -> bool:
    """Return True in a process of `certline run all`, whose parent serves the metrics of all."""
    return _below.is_set()


def end_with(parent: int) -> None:
    """Send this process SIGTERM once the process with id `parent` is no longer its parent.

    Otherwise it would run on as an orphan, which can't be stopped by way of the parent's process id.
    """

    def watch() -> None:
        # Polled, since a signal at the parent's death (PR_SET_PDEATHSIG) is not portable. The system gives an
        # orphan another parent, so the id changes.
        while os.getppid() == parent:
            time.sleep(LOOK_EVERY)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
