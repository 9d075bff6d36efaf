"""Files in which the processes of one part keep their metrics, so that any of them can answer for all.

Worker processes share a port. Prometheus' own library keeps the values of several processes in mapped files, in
the folder that PROMETHEUS_MULTIPROC_DIR names. It reads that variable when it is imported: `share_files` has to be
called before, so this module imports nothing of it.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# Bytes that have to be free: the files of a few processes.
ROOM = 4 << 20


def share_files() -> None:
    """Make a folder for the metrics of this process and its children, unless they have one already.

    It is removed when this process ends. Without room for them, each process answers for itself.
    """
    if os.environ.get(VARIABLE):
        return
    try:
        folder = Path(tempfile.mkdtemp(prefix="certline-metrics-"))
    except OSError:
        return
    atexit.register(_remove, folder, os.getpid())
    try:
        trial = folder / "trial"
        trial.write_bytes(bytes(ROOM))
        trial.unlink()
    except OSError:
        return
    os.environ[VARIABLE] = str(folder)


def shared_folder() -> str | None:
    """Return the folder of the shared files, or None if this process answers for itself alone."""
    return os.environ.get(VARIABLE) or None


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # a fork inherits what is registered
        shutil.rmtree(folder, ignore_errors=True)
