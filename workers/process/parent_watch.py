"""Ending with the process that has started this one, where that is killed and can tell nobody."""

import os
import signal
import threading
import time

# Seconds between two looks.
LOOK_EVERY = 1.0


def end_with(parent: int) -> None:
    """Stop as SIGTERM does once the process of that number is no longer our parent.

    Else its children would go on as orphans that nobody can stop by the parent's number.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_EVERY)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
