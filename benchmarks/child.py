"""Run a function in a forked process: its time, CPU, memory, and its statements, without what imports cost."""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event


@dataclass
class Spent:
    """What a function has spent, in seconds. `slowest`: its slowest statement, which is `statement`; `memory`: the
    megabytes that the process has grown by; `count`, `returned`: the number of rows, or another number, that the
    function returned.
    """

    seconds: float = 0.0
    cpu: float = 0.0
    memory: float = 0.0
    slowest: float = 0.0
    statement: str = ""
    statements: int = 0
    commits: int = 0
    count: int = 0
    returned: float = 0.0
    exit: int = 0


def spent_by(work: Callable[[], object]) -> Spent:
    """Run a function in a child and return what it has spent. Exits if the child fails with a traceback."""
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            spent = _measured(work)
            os.write(into, json.dumps(asdict(spent)).encode())
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(into)
    with os.fdopen(out) as pipe:
        told = pipe.read()
    _, status = os.waitpid(pid, 0)
    if not told:
        sys.exit(f"a measured function failed: status {status}")
    return Spent(**json.loads(told))


def _measured(work: Callable[[], object]) -> Spent:
    spent = Spent()
    begun: list[float] = []

    def before(*_: Any) -> None:
        begun.append(time.monotonic())

    def after(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        took = time.monotonic() - begun.pop()
        spent.statements += 1
        if took > spent.slowest:
            spent.slowest, spent.statement = took, statement[:300]

    def committed(_connection: Any) -> None:
        spent.commits += 1

    event.listen(Engine, "before_cursor_execute", before)
    event.listen(Engine, "after_cursor_execute", after)
    event.listen(Engine, "commit", committed)
    size, cpu, start = _resident(), time.process_time(), time.monotonic()
    try:
        returned = work()
        spent.count = returned if isinstance(returned, int) else 0
        spent.returned = returned if isinstance(returned, float) else 0.0
    except SystemExit as left:
        spent.exit = left.code if isinstance(left.code, int) else 1
    spent.seconds = time.monotonic() - start
    spent.cpu = time.process_time() - cpu
    spent.memory = max(0.0, _peak() - size)
    return spent


def _status(field: str) -> float:
    with Path("/proc/self/status").open(encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def _resident() -> float:
    return _status("VmRSS")


def _peak() -> float:
    return _status("VmHWM")
