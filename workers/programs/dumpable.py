"""Protection of this process' memory and environment from other processes of the same user."""

import ctypes
import sys

# prctl(2) of Linux.
PR_SET_DUMPABLE = 4


def close_to_others() -> None:
    """Keep processes of the same user, such as a hook's command, from reading what this one holds.

    It has the secret key in its environment and memory. Afterwards its files in /proc belong to root, no debugger
    of the same user attaches, and it leaves no core dump. A program that it starts is open again. On Linux only;
    root reads everything nevertheless.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
