"""A folder that is this user's alone, opened by its name in the one above it: no symbolic link is followed."""

import errno
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from certline.models.file_rights import OTHERS_WRITE

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class NotOurFolderError(Exception):
    """The folder to be used is not certline's alone, or not this user's or line's; the text has the path."""


def enter(parent: int, path: Path) -> int:
    """Open a folder by its name in an open one, made if necessary, and return its descriptor.

    Raises NotOurFolderError if it is a link, another user's, or others can write to it; OSError.
    """
    made = False
    with suppress(FileExistsError):
        os.mkdir(path.name, 0o755, dir_fd=parent)
        made = True
    handle = open_folder(path.name, path, parent)
    try:
        if made:
            os.fchmod(handle, 0o755)  # whatever the umask says
        require_ours(handle, path)
    except BaseException:
        os.close(handle)
        raise
    return handle


def open_folder(name: str | Path, path: Path, parent: int | None) -> int:
    """Open a folder, but not what a link points to. Raises NotOurFolderError, OSError."""
    try:
        return os.open(name, FOLDER, dir_fd=parent)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise
        raise NotOurFolderError(
            f"{path} is a symbolic link or a file, and certline follows no links: name the folder itself"
        ) from error


def require_ours(handle: int, path: Path, *, or_root: bool = False) -> None:
    """Raise NotOurFolderError if an open folder is another user's (but root's, `or_root`), or others can write."""
    found = os.fstat(handle)
    us = os.geteuid()
    if found.st_uid != us and not (or_root and found.st_uid == 0):
        raise NotOurFolderError(
            f"{path} belongs to another user (uid {found.st_uid}), who could replace what is in it: give the "
            f"hook a --directory of the worker's user (uid {us})"
        )
    # In a sticky directory, such as /tmp, nobody renames the folders of others.
    if found.st_mode & OTHERS_WRITE and not (or_root and found.st_mode & stat.S_ISVTX):
        raise NotOurFolderError(
            f"{path} can be changed by other users, who could replace what is in it: chmod go-w {path}"
        )


def exists(name: str, parent: int) -> bool:
    """Return True if an open folder contains the name."""
    try:
        os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def remove(name: str, parent: int) -> None:
    """Remove a folder with all that is in it, or a file, or a link but not what it points to."""
    if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        shutil.rmtree(name, dir_fd=parent)
    else:
        os.unlink(name, dir_fd=parent)


def names_in(handle: int) -> list[str]:
    """Return the names in an open folder."""
    with os.scandir(handle) as found:
        return [each.name for each in found]
