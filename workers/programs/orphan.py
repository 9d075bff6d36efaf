"""End of a process with the one that has started it.

This file is also the program that another one is started by (`started_by`): it imports nothing of ours.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

# prctl(2) of Linux.
PR_SET_PDEATHSIG = 1
# What is written before a program takes the place of this one; after it, the number of the error if it cannot.
READY = b"!"


def end_with_starter(starter: int) -> None:
    """Have this process killed when the one that has started it ends, even by SIGKILL. `starter`: its id.

    Otherwise a change that it was asked for would be made when another worker has gone on long ago. On Linux only.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != starter:  # it has ended before
            sys.exit(1)


def started_by(words: Sequence[str], report: int) -> list[str]:
    """Return the words that start a program which ends with this process; it then has the same process id.

    `report`: the open file to which READY is written, and an error if the program cannot be started. The user that
    it runs as may not be able to read our packages, so Python needs nothing of them.
    """
    python = os.path.realpath(sys.executable)
    source = Path(__file__).read_text()
    return [python, "-I", "-S", "-c", source, str(os.getpid()), str(report), *words]


def main(starter: int, report: int, words: list[str]) -> None:
    """Become a program that ends with the process `starter`."""
    end_with_starter(starter)
    os.set_inheritable(report, False)
    os.write(report, READY)
    try:
        os.execvp(words[0], words)  # noqa: S606  # the operator's own program
    except OSError as error:
        os.write(report, str(error.errno).encode())


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
