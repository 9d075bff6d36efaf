"""End of a process of ours with the one that has started it."""

import ctypes
import os
import signal
import sys

# prctl(2) of Linux.
PR_SET_PDEATHSIG = 1


def end_with_starter(starter: int) -> None:
    """Have this process killed when the one that has started it ends, even by SIGKILL. `starter`: its id.

    Otherwise a change that it was asked for would be made when another worker has gone on long ago. On Linux only.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != starter:  # it has ended before
            sys.exit(1)
