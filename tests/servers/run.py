"""One run of the tests: its folder, and the end of everything that was started in it.

The folder holds a lock that the kernel lets go of when the run ends, however it ends. So the next run
sees which folders have no owner any more, ends what a killed run left behind, and removes them.
"""

import atexit
import fcntl
import os
import random
import shutil
import socket
import tempfile
import time
from contextlib import suppress
from functools import cache
from itertools import count
from pathlib import Path

import psutil  # type: ignore[import-untyped]

PREFIX = "certline-test-"
# In the environment of every process that a run starts: whose it is.
MARK = "CERTLINE_TEST_FOLDER"
# A folder this young may belong to a run that is just about to lock it.
SECONDS_TO_LOCK = 60
# Below those that systems give to outgoing connections: one of them could take the port of a server
# while a test restarts it, even the connection that asks whether the server is back.
PORTS = range(20_000, 32_000)

# A file system in memory, and how many bytes of both there have to be: a new database is hundreds of
# files, which a disk takes ten times as long for.
MEMORY = Path("/dev/shm")  # noqa: S108 -- folders in it are made by `mkdtemp`
PLENTY = 6 << 30

_numbers = count(1)
_ports_given: set[int] = set()


@cache
def folder() -> Path:
    """The folder of this run; removed with all that runs in it when Python exits."""
    sweep()
    path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place()))
    path.chmod(0o711)  # Postgres runs as another user when we are root, and must pass through
    lock = _lock(path)
    owner = os.getpid()

    def end() -> None:
        if os.getpid() == owner:  # not in a fork of the run
            remove(path)
            os.close(lock)

    atexit.register(end)
    return path


def place() -> Path:
    """Where folders of runs are: in memory where there is plenty of it, else with other passing files."""
    if "TMPDIR" not in os.environ and has_plenty(MEMORY):
        return MEMORY
    return Path(tempfile.gettempdir())


def has_plenty(memory: Path) -> bool:
    """Whether a file system in memory is there, large, and lets programs run from it."""
    try:
        system = os.statvfs(memory)
    except OSError:
        return False
    free = min(system.f_bavail * system.f_frsize, psutil.virtual_memory().available)
    return free > PLENTY and not system.f_flag & os.ST_NOEXEC and os.access(memory, os.W_OK)


def subfolder(name: str) -> Path:
    """A folder of its own inside the run's folder."""
    path = folder() / f"{name}-{next(_numbers)}"
    path.mkdir(mode=0o711)
    return path


def name() -> str:
    """A name nobody else uses, for a database or a vhost; says whose it is."""
    return f"certline_test_{suffix()}_{next(_numbers)}"


def suffix() -> str:
    """What tells this run's names from those of others."""
    return folder().name.removeprefix(PREFIX).replace("_", "-").lower()


def free_port() -> int:
    """A TCP port on which nothing listens; never the same one twice."""
    while True:
        port = random.choice(PORTS)  # noqa: S311 -- nothing secret
        if port not in _ports_given and _is_free(port):
            _ports_given.add(port)
            return port


def sweep() -> None:
    """End and remove what killed runs have left behind."""
    for parent in {MEMORY, Path(tempfile.gettempdir())}:
        for path in parent.glob(f"{PREFIX}*"):
            if is_abandoned(path):
                remove(path)


def is_abandoned(path: Path) -> bool:
    """Whether the folder is ours to remove and no run holds it any more."""
    try:
        if path.stat().st_uid != os.getuid():
            return False
        if not (path / "owner").exists():
            return time.time() - path.stat().st_mtime > SECONDS_TO_LOCK
        os.close(_lock(path))
    except OSError:  # held, or gone in the meantime
        return False
    return True


def remove(path: Path) -> None:
    """End every process that was started in the folder, and remove it."""
    killed = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            command = process.cmdline()
            if process.environ().get(MARK) == str(path) or any(
                part.startswith(f"{path}/") for part in command
            ):
                process.kill()
                killed.append(process)
    end = time.monotonic() + 5
    while time.monotonic() < end and any(is_alive(process) for process in killed):
        time.sleep(0.02)
    shutil.rmtree(path, ignore_errors=True)


def is_alive(process: psutil.Process) -> bool:
    """Whether it still does something: a zombie only waits for its parent to take note."""
    with suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def _is_free(port: int) -> bool:
    with socket.socket() as listener, suppress(OSError):
        listener.bind(("127.0.0.1", port))
        return True
    return False


def _lock(path: Path) -> int:
    handle = os.open(path / "owner", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle
