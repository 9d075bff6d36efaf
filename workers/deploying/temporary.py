"""The directory of hooks that have none of their own, below the system's temporary one."""

import fcntl
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from certline.workers.deploying.folder import MARK
from certline.workers.deploying.own_folder import FOLDER, NotOurFolderError, names_in
from certline.workers.programs.user import Owner


def private_directory(name: str, reader: Owner | None = None) -> Path:
    """Return a directory below the system's temporary one that only this user can access.

    `reader`: another user whose group may pass through it, too. Raises NotOurFolderError if another user has
    created it or can access it, OSError.
    """
    us = os.geteuid()
    own = f"{name}-{us}" if reader is None else f"{name}-{us}-{reader.uid}"
    directory = Path(tempfile.gettempdir()) / own
    rights, group = (0o700, None) if reader is None else (0o710, reader.gid)
    with suppress(FileExistsError):
        directory.mkdir(mode=0o700)
        if group is not None:
            os.chown(directory, -1, group)
        directory.chmod(rights)
    # Anybody can create names in a temporary directory: check the owner, and do not follow a link.
    found = directory.lstat()
    others = stat.S_IMODE(found.st_mode) & 0o077 & ~rights
    foreign = group is not None and found.st_gid != group
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != us or others or foreign:
        raise NotOurFolderError(f"{directory} is accessible to other users: remove it")
    return directory


def tidy(private: Path) -> None:
    """Remove the empty folders that runs have left in a private directory; those in use stay."""
    with suppress(OSError):
        for hook in list(private.iterdir()):
            with suppress(OSError):
                _tidy_hook(hook)
                hook.rmdir()  # refused while something is in it


def _tidy_hook(directory: Path) -> None:
    handle = os.open(directory, FOLDER)
    try:
        for name in names_in(handle):
            with suppress(OSError):
                _remove_if_idle(name, handle)
    finally:
        os.close(handle)


def _remove_if_idle(name: str, parent: int) -> None:
    """Remove a line's folder that has nothing but its mark, unless a run holds it. Raises OSError."""
    folder = os.open(name, FOLDER, dir_fd=parent)
    try:
        if names_in(folder) != [MARK]:
            return
        mark = os.open(MARK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if names_in(folder) == [MARK]:  # again, now that nobody else writes
                os.unlink(MARK, dir_fd=folder)
                os.rmdir(name, dir_fd=parent)
        finally:
            os.close(mark)
    finally:
        os.close(folder)
