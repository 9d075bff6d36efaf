"""A run of the tests: its folder, and the cleaning up of everything started in it.

The folder contains a lock that the kernel releases when the run ends, however it ends. So the next run recognises
folders without an owner, ends the processes that a killed run left behind, and removes the folders.
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
# Environment variable of every process that a run starts: the folder of its run.
MARK = "CERTLINE_TEST_FOLDER"
# A folder younger than this may belong to a run that has not locked it yet.
SECONDS_TO_LOCK = 60
# Below the range of ephemeral ports: an outgoing connection could take the port of a server while a test
# restarts the server, even the very connection that checks whether it is back.
PORTS = range(20_000, 32_000)

# A file system in memory, used if it and the memory have this many bytes free: a new database is hundreds of
# files, for which a disk takes ten times as long.
MEMORY = Path("/dev/shm")  # noqa: S108 -- folders in it are made by `mkdtemp`
PLENTY = 6 << 30

_numbers = count(1)
_ports_given: set[int] = set()


@cache
def folder() -> Path:
    """Return the folder of this run. When Python exits, it is removed, and processes started in it are ended."""
    sweep()
    path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place()))
    path.chmod(0o711)  # Postgres runs as another user when we are root, and must pass through
    lock = _lock(path)
    owner = os.getpid()

    def end() -> None:
        if os.getpid() == owner:  # a fork of the run must not clean up
            remove(path)
            os.close(lock)

    atexit.register(end)
    return path


def place() -> Path:
    """Return where to create folders of runs: in memory if there is plenty of it, else the temporary folder."""
    if "TMPDIR" not in os.environ and has_plenty(MEMORY):
        return MEMORY
    return Path(tempfile.gettempdir())


def has_plenty(memory: Path) -> bool:
    """Return True if there is a large, writable file system in memory that programs may run from."""
    try:
        system = os.statvfs(memory)
    except OSError:
        return False
    free = min(system.f_bavail * system.f_frsize, psutil.virtual_memory().available)
    return free > PLENTY and not system.f_flag & os.ST_NOEXEC and os.access(memory, os.W_OK)


def subfolder(name: str) -> Path:
    """Create a new folder inside the run's folder, and return it."""
    path = folder() / f"{name}-{next(_numbers)}"
    path.mkdir(mode=0o711)
    return path


def name() -> str:
    """Return a unique name for a database or a vhost, which contains the run's suffix."""
    return f"certline_test_{suffix()}_{next(_numbers)}"


def suffix() -> str:
    """Return the part of names that identifies this run."""
    return _suffix_of(folder())


def exists(run: str) -> bool:
    """Return True if a run with that suffix has its folder."""
    folders = (path for parent in _parents() for path in parent.glob(f"{PREFIX}*"))
    return any(_suffix_of(path) == run for path in folders)


def free_port() -> int:
    """Return a TCP port on which nothing listens; never the same one twice in a run."""
    while True:
        port = random.choice(PORTS)  # noqa: S311 -- nothing secret
        if port not in _ports_given and _is_free(port):
            _ports_given.add(port)
            return port


def sweep() -> None:
    """Clean up after killed runs."""
    for parent in _parents():
        for path in parent.glob(f"{PREFIX}*"):
            if is_abandoned(path):
                remove(path)


def _parents() -> set[Path]:
    return {MEMORY, Path(tempfile.gettempdir())}


def _suffix_of(path: Path) -> str:
    return path.name.removeprefix(PREFIX).replace("_", "-").lower()


def is_abandoned(path: Path) -> bool:
    """Return True if the folder belongs to our user and no run holds its lock any more."""
    try:
        if path.stat().st_uid != os.getuid():
            return False
        if not (path / "owner").exists():
            return time.time() - path.stat().st_mtime > SECONDS_TO_LOCK
        os.close(_lock(path))
    except OSError:  # locked, or removed meanwhile
        return False
    return True


def remove(path: Path) -> None:
    """Kill every process of the run that owns the folder, and remove the folder."""
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
    """Return True if the process runs. A zombie doesn't: it only waits for its parent to read its exit code."""
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
