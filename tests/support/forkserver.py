"""Fast start of CLI commands: each is forked from one process that has already imported everything.

The fork runs the CLI itself (`certline run worker`, `certline order list` …) in a process group of its own, so a
test can start, kill and freeze hundreds of them. The process that forks is
`python -m tests.support.forkserver SOCKET`.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.servers import Process, session, until

_numbers = count(1)


class Part:
    """A forked process of certline with its process group; used like `tests.servers.Process`."""

    def __init__(self, nursery: "Nursery", pid: int, log: Path, record: Path) -> None:
        self._nursery = nursery
        self._record = record
        self.pid = pid
        self.log = log

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
    def exit_code(self) -> int | None:
        """The exit code; None while the process runs, negative if a signal ended it."""
        code: int | None = self._nursery.ask(do="poll", pid=self.pid)
        return code

    @property
    def output(self) -> str:
        """Everything the process has written so far."""
        return self.log.read_text(errors="replace")

    @property
    def met(self) -> list[dict[str, Any]]:
        """The deaths that the process has met; `number` is the index in the list given to `Nursery.start`."""
        if not self._record.exists():
            return []
        return [json.loads(line) for line in self._record.read_text().splitlines()]

    def wait(self, timeout: float = 60) -> int:
        """Wait until the process has ended, and return its exit code."""
        until(lambda: self.exit_code is not None, timeout, every=0.02)
        return self.exit_code or 0

    def wait_for(self, text: str, timeout: float = 60) -> None:
        """Wait until the output contains the text; fail if the process ends without it."""
        until(lambda: text in self.output or self.exit_code is not None, timeout)
        assert text in self.output, f"the part did not say {text!r}:\n{self.output[-4000:]}"

    def kill(self) -> None:
        """Send SIGKILL to the whole group, and wait for the end."""
        self._signal_group(signal.SIGKILL)
        self.wait()

    def terminate(self, timeout: float = 60) -> int:
        """Send SIGTERM to the main process. Returns the exit code."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        return self.wait(timeout)

    def freeze(self) -> None:
        """Stop the whole group (SIGSTOP)."""
        self._signal_group(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the whole group continue (SIGCONT)."""
        self._signal_group(signal.SIGCONT)

    def _signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)


class Nursery:
    """The process that forks parts, with the socket to it."""

    def __init__(
        self, before: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        """Start the process. `before`: the beginning of its command line, such as that of a host."""
        path = session.folder() / f"nursery-{next(_numbers)}"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(1)
            words = [*before, sys.executable, "-m", "tests.support.forkserver", str(path)]
            self.process = Process(words, environment)
            listener.settimeout(60)
            self._socket, _ = listener.accept()
        self._answers = self._socket.makefile("r")
        self._lock = threading.Lock()
        self._parts: list[Part] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for part in self._parts:
            part.kill()
        self._answers.close()
        self._socket.close()
        self.process.kill()

    def start(
        self,
        words: Sequence[str],
        environment: Mapping[str, str],
        deaths: Sequence[dict[str, Any]] = (),
    ) -> Part:
        """Run `certline` with these arguments; `deaths` are the fields of `injection.Death`."""
        number = next(_numbers)
        log, record = (session.folder() / f"part-{number}.{kind}" for kind in ("log", "deaths"))
        pid = self.ask(
            do="start",
            words=list(words),
            environment=dict(environment),
            deaths=list(deaths),
            log=str(log),
            record=str(record),
        )
        self._parts = [part for part in self._parts if part.exit_code is None]
        self._parts.append(Part(self, pid, log, record))
        return self._parts[-1]

    def type(
        self, words: Sequence[str], environment: Mapping[str, str], *, given: str, timeout: float
    ) -> "subprocess.CompletedProcess[str]":
        """Run a CLI command in exactly this environment, with `given` as its input, and wait for its end.

        Raises TimeoutError if it takes longer than `timeout` seconds; the command is killed then.
        """
        number = next(_numbers)
        files = {
            kind: session.folder() / f"typed-{number}.{kind}"
            for kind in ("given", "log", "errors", "deaths")
        }
        files["given"].write_text(given)
        pid = self.ask(
            do="start",
            words=list(words),
            environment=dict(environment),
            deaths=[],
            log=str(files["log"]),
            record=str(files["deaths"]),
            given=str(files["given"]),
            errors=str(files["errors"]),
        )
        part = Part(self, pid, files["log"], files["deaths"])
        try:
            code = part.wait(timeout)
            said, errors = files["log"].read_text(), files["errors"].read_text()
        except TimeoutError:
            part.kill()
            raise
        finally:
            for file in files.values():  # they may contain secrets
                file.unlink(missing_ok=True)
        return subprocess.CompletedProcess(words, code, said, errors)

    def ask(self, **request: Any) -> Any:
        """Send a request to the forking process, return its response. Raises ChildProcessError if it has ended."""
        with self._lock:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
            answer = self._answers.readline()
        if not answer:
            raise ChildProcessError(f"the nursery has ended:\n{self.process.output}")
        return json.loads(answer)


@cache
def nursery() -> Nursery:
    """Return the nursery of this test run, started when first needed; it ends with the run."""
    started = Nursery()
    atexit.register(started.__exit__, None, None, None)
    return started


def main(path: str) -> None:
    """Serve requests from the socket at `path` until the other end closes it."""
    # Imported only in this process, so that the forks have everything; the tests themselves need none of it.
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    from certline import producers  # noqa: PLC0415
    from certline.cli.main import PLACES  # noqa: PLC0415
    from certline.models import load_tables  # noqa: PLC0415
    from certline.models.database import migrate  # noqa: PLC0415
    from certline.producers import messaging, renewals, requests  # noqa: PLC0415
    from tests.faults.crashes import injection  # noqa: F401, PLC0415
    from tests.faults.crashes.effect_scan import effects  # noqa: PLC0415

    for module, _ in PLACES.values():
        importlib.import_module(module)
    # What the commands import when they run.
    load_tables()
    for room in (producers, messaging, renewals, requests):
        for found in pkgutil.iter_modules(room.__path__, f"{room.__name__}."):
            if (
                found.name != "certline.producers.in_process"
            ):  # `certline up`: it chooses its own broker
                importlib.import_module(found.name)
    list(ScriptDirectory.from_config(migrate._config()).walk_revisions())
    effects()  # read now: the sources still match the imported code
    gc.freeze()

    codes: dict[int, int] = {}
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(path)
        for text in line.makefile("r"):
            request = json.loads(text)
            if request["do"] == "start":
                pid = _fork(request)
                codes.pop(pid, None)  # process ids are reused: forget an earlier exit code
                answer: int | None = pid
            else:
                answer = _poll(request["pid"], codes)
            line.sendall(f"{json.dumps(answer)}\n".encode())


def _poll(pid: int, codes: dict[int, int]) -> int | None:
    if pid not in codes:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            codes[pid] = os.waitstatus_to_exitcode(status)
    return codes.get(pid)


def _fork(request: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        # Parent and child both set the group, so that it exists before either continues.
        with suppress(OSError):
            os.setpgid(pid, pid)
        return pid
    code = 1
    try:
        code = _live(request)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _live(request: dict[str, Any]) -> int:
    from certline.cli.main import main as certline  # noqa: PLC0415
    from tests.faults.crashes.injection import Death, install  # noqa: PLC0415

    with suppress(OSError):
        os.setpgid(0, 0)
    for stream, log in ((1, request["log"]), (2, request.get("errors", request["log"]))):
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), stream)
    if "given" in request:
        os.dup2(os.open(request["given"], os.O_RDONLY), 0)
        os.environ.clear()
    os.environ.update(request["environment"])
    random.seed()
    if "given" not in request:
        install([Death(**death) for death in request["deaths"]], Path(request["record"]))
    try:
        certline(request["words"])
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


if __name__ == "__main__":
    main(sys.argv[1])
