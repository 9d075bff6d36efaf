"""Rights of the files that hold keys: who else could read or replace them, and the folder of an installation."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
OTHERS_READ = stat.S_IRGRP | stat.S_IROTH


class UnsafeFileError(Exception):
    """Somebody else could read or replace a file that holds a key; the text says how to mend that."""


@dataclass(frozen=True)
class Rights:
    """What there is to say about a file with a key: a `fault` forbids its use, a `warning` does not."""

    fault: str | None = None
    warning: str | None = None


def rights_of(path: Path) -> Rights:
    """Return what is wrong with the owner and the mode of a file that holds a key, and of its folder.

    Nobody else may write either of them. A file that is ours must be readable by us only. Secrets that Docker
    or Kubernetes mount belong to root (0444, 0644, 0440) and are read by another user, or are on a read-only
    mount: that others can read those is a warning at most. Raises OSError.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        return (
            Rights()
        )  # a pipe that this process was given, such as /dev/stdin: it has no other reader
    target = path.resolve()  # Kubernetes mounts links
    for folder in dict.fromkeys((path.absolute().parent, target.parent)):
        if (fault := _folder_fault(folder)) is not None:
            return Rights(fault=fault)
    found = target.stat()
    fixed = bool(os.statvfs(target).f_flag & os.ST_RDONLY)
    if found.st_mode & OTHERS_WRITE:
        return Rights(fault=f"{path} can be changed by other users: chmod 600 {target}")
    if found.st_uid not in (os.geteuid(), 0) and not fixed:
        return Rights(
            fault=f"{path} belongs to another user (uid {found.st_uid}), who could change it: "
            f"chown it to the user of certline (uid {os.geteuid()})"
        )
    if found.st_uid == os.geteuid() and not fixed and found.st_mode & OTHERS_READ:
        return Rights(fault=f"{path} can be read by other users: chmod 600 {target}")
    if found.st_mode & stat.S_IROTH:
        mode = stat.S_IMODE(found.st_mode)
        return Rights(warning=f"{path} can be read by every user there (mode {mode:04o})")
    return Rights()


def require_private(path: Path) -> None:
    """Raise UnsafeFileError if somebody else could replace a file with a key, or read one of ours; OSError."""
    fault = rights_of(path).fault
    if fault is not None:
        raise UnsafeFileError(fault)


def make_home(home: Path) -> None:
    """Make the folder of an installation, for its owner only (0700) whatever the umask; one that exists stays.

    Raises UnsafeFileError if it exists and others can write to it, OSError.
    """
    home.parent.mkdir(parents=True, exist_ok=True)
    try:
        home.mkdir(mode=0o700)
    except FileExistsError:
        fault = _folder_fault(home)
        if fault is not None:
            raise UnsafeFileError(fault) from None
    else:
        home.chmod(0o700)  # an umask may have taken rights of the owner


def _folder_fault(folder: Path) -> str | None:
    """Return why somebody else could put another file into a folder; None if nobody can."""
    found = folder.stat()
    # In a sticky folder, such as /tmp or one that Kubernetes mounts, nobody replaces the files of others.
    if found.st_mode & OTHERS_WRITE and not found.st_mode & stat.S_ISVTX:
        return (
            f"the folder {folder} can be changed by other users, who could put a key of their own into it: "
            f"chmod go-w {folder}"
        )
    if found.st_uid not in (os.geteuid(), 0) and not os.statvfs(folder).f_flag & os.ST_RDONLY:
        return (
            f"the folder {folder} belongs to another user (uid {found.st_uid}), who could replace its files: "
            f"chown it to the user of certline (uid {os.geteuid()})"
        )
    return None
