"""CPU seconds of process trees, including processes that have ended meanwhile."""

import subprocess
from contextlib import suppress

import psutil  # type: ignore[import-untyped, unused-ignore]  # it has no types

from tests.servers import PostgresServer, RabbitServer
from tests.servers.container import Container
from tests.servers.process import Process


def cpu_seconds(*roots: int) -> float:
    """Return the CPU seconds used so far by these processes and all their descendants.

    A process that ends leaves its seconds to its parent (`children_*`), once that has reaped it.
    """
    spent = 0.0
    for root in roots:
        with suppress(psutil.NoSuchProcess):
            whole = psutil.Process(root)
            for process in [whole, *whole.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess):
                    spent += sum(process.cpu_times()[:4])
    return spent


def server_pid(server: PostgresServer | RabbitServer) -> int:
    """Return the process id of a server's main process. Raises LookupError if it is not one that we started."""
    process = getattr(server, "process", None)
    if isinstance(process, Process):
        return process.pid
    container = getattr(server, "container", None)
    if isinstance(container, Container):
        wrapped = container.docker.get_wrapped_container()
        wrapped.reload()
        return int(wrapped.attrs["State"]["Pid"])
    raise LookupError(f"{server} was not started by this run")


def run_and_count(command: list[str], environment: dict[str, str]) -> tuple[str, float]:
    """Run a command to its end. Returns its output and its CPU seconds. Raises ChildProcessError if it fails."""
    before = sum(psutil.Process().cpu_times()[2:4])
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ChildProcessError(f"{command} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout, sum(psutil.Process().cpu_times()[2:4]) - before
