"""Processes that tests start, watch, stop and kill."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from tests.servers import session

T = TypeVar("T")

_numbers = count(1)


def until(condition: Callable[[], T], timeout: float, every: float = 0.05) -> T:
    """Call `condition` until its value is true, and return that. Raises TimeoutError after `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise TimeoutError(f"Not within {timeout} s; the last value was {answer!r}.")
        time.sleep(every)


class Process:
    """A command in a process group of its own, with its output in a file.

    The group is needed because a killed main process may leave workers behind that go on consuming. Processes
    still alive at the end of the run are ended with its folder (`run.remove`), even if the run itself was killed.
    """

    def __init__(
        self,
        args: Sequence[str | Path],
        env: Mapping[str, str] | None = None,
        *,
        cwd: Path | None = None,
        user: str | None = None,
        group: int | None = None,
    ) -> None:
        """Start `args`; `env` is added to our own environment; `user` needs root."""
        self.args = [str(arg) for arg in args]
        self.log = session.folder() / f"{Path(self.args[0]).name}-{next(_numbers)}.log"
        environment = os.environ | dict(env or {}) | {session.MARK: str(session.folder())}
        with self.log.open("wb") as output:
            self.popen = subprocess.Popen(
                self.args,
                env=environment,
                cwd=cwd,
                user=user,
                group=group,
                extra_groups=None if user is None else [],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal is for the tests, not for the servers
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """The id of the main process and of its group."""
        return self.popen.pid

    @property
    def output(self) -> str:
        """Everything the process and its children have written so far."""
        return self.log.read_text(errors="replace")

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while the process runs, negative if a signal ended it."""
        return self.popen.poll()

    def wait_for(self, text: str, timeout: float = 30) -> None:
        """Wait until the output contains the text. Raises ChildProcessError if the process ends without it."""

        def seen() -> bool:
            ended = self.exit_code is not None  # checked first, so that the last lines are read
            if text in self.output:
                return True
            if ended:
                raise ChildProcessError(self._story(f"ended without saying {text!r}"))
            return False

        try:
            until(seen, timeout)
        except TimeoutError:
            raise TimeoutError(self._story(f"did not say {text!r} in {timeout} s")) from None

    def wait(self, timeout: float = 30) -> int:
        """Wait until the process has ended, and return its exit code."""
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(self._story(f"still runs after {timeout} s")) from None

    def kill(self) -> None:
        """Send SIGKILL to the whole group, which can't clean up or write anything then."""
        self.signal_group(signal.SIGKILL)
        self.popen.wait(10)

    def terminate(self, timeout: float = 30) -> int:
        """Send SIGTERM to the main process, as a container engine does. Returns the exit code."""
        self.popen.terminate()
        return self.wait(timeout)

    def freeze(self) -> None:
        """Stop the whole group (SIGSTOP), as in a long pause of the machine."""
        self.signal_group(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the whole group continue (SIGCONT)."""
        self.signal_group(signal.SIGCONT)

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to the whole group."""
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, number)

    def _story(self, what: str) -> str:
        last = "\n".join(self.output.splitlines()[-40:])
        return (
            f"{' '.join(self.args)} {what} (exit code {self.exit_code}). Its last output:\n{last}"
        )
