"""A clock of the day that is some seconds off, for one process and those that it starts."""

import shutil
import subprocess
from functools import cache
from pathlib import Path

from tests.servers import session

SOURCE = Path(__file__).with_suffix(".c")
VARIABLE = "CERTLINE_TEST_CLOCK_SHIFT"


class NoCompilerError(RuntimeError):
    """There is no C compiler for the library that shifts the clock."""


def shifted_by(seconds: int) -> dict[str, str]:
    """Return the environment of a process whose clock is that much ahead, or behind if it is negative.

    The monotonic clock is the machine's. Raises NoCompilerError, saying what to install.
    """
    return {"LD_PRELOAD": str(_library()), VARIABLE: str(seconds)} if seconds else {}


@cache
def _library() -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise NoCompilerError("needs a C compiler: apt-get install gcc libc6-dev")
    library = session.folder() / "shifted_clock.so"
    words = [
        compiler,
        "-shared",
        "-fPIC",
        "-O2",
        "-Wall",
        "-Werror",
        "-o",
        str(library),
        str(SOURCE),
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoCompilerError(
            f"needs a C compiler with its headers: apt-get install gcc libc6-dev\n{done.stderr}"
        )
    return library
