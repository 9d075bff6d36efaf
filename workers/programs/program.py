"""Run an operator's program without a shell, within a time limit, keeping the end of its output."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from certline.workers.programs.orphan import READY, started_by
from certline.workers.programs.user import HookUser

# Bytes of output that are kept. The end is kept, since that is where errors are reported.
KEPT = 4096
# Seconds between SIGTERM and SIGKILL, for the program to clean up.
TO_CLEAN_UP = 5.0
# Seconds between two checks whether the program has ended.
LOOK_EVERY = 0.2
# Variables of our environment passed to a program. The others are not: they include secrets
# (`CERTLINE_SECRET_KEY`).
PASSED_ON = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TZ", "TMPDIR"),
    *("LANG", "LC_ALL", "LC_CTYPE", "LC_MESSAGES"),
)


@dataclass(frozen=True)
class Ran:
    """The result of a program: `exit_code` is None if it ran out of time, negative if a signal ended it."""

    exit_code: int | None
    # May contain secrets, so it is stored with the run but not logged.
    output: str = field(repr=False)


def run_program(
    words: Sequence[str],
    facts: Mapping[str, str],
    *,
    folder: Path,
    timeout: float,
    user: HookUser | None = None,
    ends_with_us: bool = False,
) -> Ran:
    """Run a program in `folder`, with `facts` in its environment, for at most `timeout` seconds.

    `user`: whom it runs as, with that user's groups only; by default as this process. `ends_with_us`: it is killed
    if this process is (on Linux); what it has started itself is not. When the time is up, the program's whole
    process group is ended. Raises OSError if it can't be started.
    """
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    if user is not None:
        passed |= user.variables
    start = partial(_started, folder=folder, environment={**passed, **facts}, user=user)
    process = _ending_with_us(words, start) if ends_with_us else start(words)
    assert process.stdout is not None  # noqa: S101  # for mypy: it is a pipe
    try:
        output, in_time = _read(process, process.stdout.fileno(), time.monotonic() + timeout)
    finally:
        _end(process)
        process.stdout.close()
    # Postgres can't store NUL characters in text.
    text = output.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    return Ran(process.returncode if in_time else None, text)


def _started(
    words: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    user: HookUser | None,
    inherited: Sequence[int] = (),
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603  # the operator's own program; see docs/hooks.md
        list(words),
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C at `certline up` must not reach it
        user=None if user is None else user.owner.uid,
        group=None if user is None else user.owner.gid,
        extra_groups=None if user is None else list(user.groups),
        pass_fds=inherited,
    )


def _ending_with_us(
    words: Sequence[str], start: Callable[..., "subprocess.Popen[bytes]"]
) -> "subprocess.Popen[bytes]":
    """Start a program that ends with this process, or as usual where its user cannot run our Python.

    Raises OSError if it can't be started.
    """
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as report:
        try:
            process = start(started_by(words, writing), inherited=[writing])
        except OSError:
            return start(words)  # which raises if it is the program itself that cannot be started
        finally:
            os.close(writing)
        said = report.read()  # until the program has taken the place of our Python
    if said.startswith(READY) and said != READY:
        process.communicate()
        raise OSError(int(said[1:]), os.strerror(int(said[1:])))
    if said != READY:  # our Python has not come so far
        process.communicate()
        return start(words)
    return process


def _read(process: "subprocess.Popen[bytes]", pipe: int, deadline: float) -> tuple[bytes, bool]:
    """Read the output until the program ends or its time is up. Returns the output's end, and whether it ended.

    A process that the program leaves behind may keep the pipe open; its output is not waited for.
    """
    kept = b""
    while True:
        # Polled before reading: once the program has ended, its remaining output is in the pipe already.
        ended = process.poll() is not None
        while select.select([pipe], [], [], 0 if ended else LOOK_EVERY)[0]:
            said = os.read(pipe, 65536)
            if not said:  # end of file: no process holds the pipe any more
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
    # The program leads a process group of its own (start_new_session), so its children are ended too.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(TO_CLEAN_UP)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
