"""Running a program of an operator's: no shell, a time limit, little of its output kept."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

# Of what it says, the end is kept: that is where errors are. Bytes.
KEPT = 4096
# Seconds that it has to clean up after SIGTERM.
TO_CLEAN_UP = 5.0
LOOK_EVERY = 0.2
# What a program gets of our own environment, which has secrets (`CERTLINE_SECRET_KEY`).
PASSED_ON = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TZ", "TMPDIR"),
    *("LANG", "LC_ALL", "LC_CTYPE", "LC_MESSAGES"),
)


@dataclass(frozen=True)
class Ran:
    """How a program ended: `exit_code` is None where its time was up, negative for a signal."""

    exit_code: int | None
    # It may say secrets; so it is kept with the run, and not logged.
    output: str = field(repr=False)


def run_program(
    words: Sequence[str], facts: Mapping[str, str], *, folder: Path, timeout: float
) -> Ran:
    """Run a program in a folder, with facts in its environment, for `timeout` seconds at most.

    Whatever it has started and not let go ends with it when its time is up. Raises OSError where it
    cannot be started.
    """
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    process = subprocess.Popen(  # noqa: S603  # the operator's own program; see docs/hooks.md
        list(words),
        cwd=folder,
        env={**passed, **facts},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C at `certline up` is not meant for it
    )
    assert process.stdout is not None  # noqa: S101  # for mypy: it is a pipe
    try:
        output, in_time = _read(process, process.stdout.fileno(), time.monotonic() + timeout)
    finally:
        _end(process)
        process.stdout.close()
    text = output.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    return Ran(process.returncode if in_time else None, text)


def _read(process: "subprocess.Popen[bytes]", pipe: int, deadline: float) -> tuple[bytes, bool]:
    """The end of what it says, until it ends or its time is up; and whether it ended.

    A process that it leaves behind may keep the pipe open: nobody waits for that.
    """
    kept = b""
    while True:
        ended = process.poll() is not None
        while select.select([pipe], [], [], 0 if ended else LOOK_EVERY)[0]:
            said = os.read(pipe, 65536)
            if not said:  # nobody can say any more
                return kept, ended or _ends(process, deadline)
            kept = (kept + said)[-KEPT:]
            if time.monotonic() > deadline:
                break
        if ended:
            return kept, True
        if time.monotonic() > deadline:
            return kept, False


def _ends(process: "subprocess.Popen[bytes]", deadline: float) -> bool:
    with suppress(subprocess.TimeoutExpired):
        process.wait(max(0.0, deadline - time.monotonic()))
    return process.returncode is not None


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is not None:
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(TO_CLEAN_UP)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
