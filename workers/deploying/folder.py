"""Folder with a line's deployed files, in which one complete set of files is visible at any time.

www.example.org/
  .line                    id of the line that owns the folder; locked during a run
  current -> versions/…    replaced atomically
  versions/SERIAL.…/       a certificate's files; the previous set is kept for processes that have it open

No symbolic link is followed, from the directory down: each folder is opened by its name in the one above it, and
must belong to this user, with nobody else allowed to write to it. So whoever owns a folder above cannot have a key
written, or a folder deleted, elsewhere.
"""

import errno
import fcntl
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from certline.workers.deploying.own_folder import (
    FOLDER,
    NotOurFolderError,
    enter,
    exists,
    names_in,
    open_folder,
    remove,
    require_ours,
)
from certline.workers.programs.user import Owner

MARK, CURRENT, VERSIONS = ".line", "current", "versions"
# Longest folder name made from a common name: that of an imported certificate can be any text.
LONGEST_NAME = 100
STRANGE = re.compile(r"[^a-z0-9._-]")
# Tries to lock a folder that a run without a directory removes at the same time.
MOST_TRIES = 5


class FolderBusyError(Exception):
    """Another run holds the folder's lock."""


@dataclass(frozen=True)
class File:
    """File of a set. A secret one is readable by its owner only (mode 0600)."""

    name: str
    content: bytes = field(repr=False)
    is_secret: bool = False


@dataclass(frozen=True)
class LineFolder:
    """A line's folder, locked and open. `handle`: its descriptor; `parent`: that of the directory it is in."""

    path: Path
    handle: int
    parent: int


def folder_name(common_name: str) -> str:
    """Return a folder name for a common name; `*.example.org` becomes `_wildcard.example.org`."""
    # No host name has an underscore, so a wildcard's folder never collides with a host's.
    name = common_name.lower()
    if name.startswith("*."):
        return "_wildcard." + STRANGE.sub("_", name[2:])[:LONGEST_NAME]
    return STRANGE.sub("_", name)[:LONGEST_NAME].lstrip(".") or "_"  # never hidden, `..` or empty


@contextmanager
def locked_folder(directory: Path, line_id: str, common_name: str) -> Iterator[LineFolder]:
    """Yield the folder of a line in `directory`, created if necessary and locked against other runs.

    If another line of the same name owns the plain folder, the line's id is appended to the folder's name.
    Raises FolderBusyError if another run holds the lock, NotOurFolderError, OSError.
    """
    plain = folder_name(common_name)
    for _ in range(MOST_TRIES):
        _make_directory(directory)
        with ExitStack() as held:
            try:
                parent = _open_directory(directory, held)
                for name in (plain, f"{plain}-{line_id.lower()}"):
                    handle = _lock(parent, directory / name, line_id, held)
                    if handle is not None:
                        break
                else:
                    raise NotOurFolderError(f"{directory / name} holds another line's files")
            except FileNotFoundError:  # another run has removed it meanwhile
                continue
            yield LineFolder(directory / name, handle, parent)
            return
    raise FolderBusyError


def _make_directory(directory: Path) -> None:
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        directory.mkdir()
    except FileExistsError:
        pass
    else:
        directory.chmod(0o755)  # whatever the umask says


def _open_directory(directory: Path, held: ExitStack) -> int:
    """Open the directory of a hook; it may also be root's, who can do everything anyway."""
    handle = open_folder(directory, directory, None)
    held.callback(os.close, handle)
    require_ours(handle, directory, or_root=True)
    return handle


def _lock(parent: int, path: Path, line_id: str, held: ExitStack) -> int | None:
    """Return the descriptor of a line's folder, made if necessary, whose lock is held from now on.

    Returns None if it is another line's. Raises FileNotFoundError if the folder is being removed.
    """
    handle = enter(parent, path)
    held.callback(os.close, handle)
    if not exists(MARK, handle) and names_in(handle):
        raise NotOurFolderError(
            f"{path} already exists and was not created by certline: move it away, or choose "
            "another --directory"
        )
    # O_NOFOLLOW: a symbolic link planted as the mark must not make us write elsewhere.
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    mark = os.open(MARK, flags, 0o644, dir_fd=handle)
    held.callback(os.close, mark)  # also releases the flock
    if not _is_of(mark, line_id):
        return None
    # Removed between our opening and locking it: the lock of a file that no name leads to holds nobody off.
    found = os.stat(path.name, dir_fd=parent, follow_symlinks=False)
    if found.st_ino != os.fstat(handle).st_ino or not os.fstat(mark).st_nlink:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    return handle


def _is_of(handle: int, line_id: str) -> bool:
    """Return True if the mark belongs to the line, and lock it then; an unowned mark becomes the line's.

    Raises FolderBusyError if another run holds the lock.
    """
    owner = os.pread(handle, 64, 0).decode(errors="replace")
    if owner not in ("", line_id):
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FolderBusyError from None
    # Read again under the lock: another line may have written its id in the meantime.
    owner = os.pread(handle, 64, 0).decode(errors="replace")
    if owner == "":
        os.pwrite(handle, line_id.encode(), 0)
        os.fsync(handle)
    return owner in ("", line_id)


def show(folder: LineFolder, name: str, files: Sequence[File], owner: Owner | None = None) -> Path:
    """Write a set of files into a locked folder and make it the current one atomically.

    Returns the path of `current`. `owner`: whom its secret files are given to. The previous set is kept, older
    ones are deleted. Raises NotOurFolderError, OSError.
    """
    versions = enter(folder.handle, folder.path / VERSIONS)
    try:
        before = _shown(folder.handle)
        fresh = f"{name}.{secrets.token_hex(4)}"
        os.mkdir(fresh, 0o700, dir_fd=versions)
        handle = os.open(fresh, FOLDER, dir_fd=versions)
        try:
            os.fchmod(handle, 0o755)  # a server's user has to read the public files
            for file in files:
                _write(handle, file, owner)
            # On disk before the link points there: after a crash `current` never leads to missing files.
            _sync(handle)
        finally:
            os.close(handle)
        _sync(versions)
        _point(folder.handle, f"{VERSIONS}/{fresh}")
        for old in names_in(versions):
            if old not in (fresh, before):
                remove(old, versions)
    finally:
        os.close(versions)
    return folder.path / CURRENT


def clear(folder: LineFolder) -> None:
    """Remove every set of files from a locked folder. Raises OSError."""
    with suppress(FileNotFoundError):  # the link first, so that it never points to deleted files
        os.unlink(CURRENT, dir_fd=folder.handle)
    with suppress(FileNotFoundError):
        remove(VERSIONS, folder.handle)


def discard(folder: LineFolder) -> None:
    """Remove a locked folder itself, with every set of files. Raises OSError."""
    clear(folder)
    os.unlink(MARK, dir_fd=folder.handle)
    os.rmdir(folder.path.name, dir_fd=folder.parent)


def _shown(handle: int) -> str | None:
    """Return the name of the set that `current` points to, None if there is none."""
    try:
        return Path(os.readlink(CURRENT, dir_fd=handle)).name
    except OSError:
        return None


def _write(folder: int, file: File, owner: Owner | None) -> None:
    mode = 0o600 if file.is_secret else 0o644
    # Created as 0600, so that a secret is never readable by others, not even before fchmod.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    handle = os.open(file.name, flags, 0o600, dir_fd=folder)
    with os.fdopen(handle, "wb") as stream:
        os.fchmod(handle, mode)  # independent of the umask
        stream.write(file.content)
        stream.flush()
        if owner is not None and file.is_secret:
            os.fchown(handle, owner.uid, owner.gid)
        os.fsync(handle)


def _point(folder: int, target: str) -> None:
    """Make `current` point to a set of files."""
    # A run that was killed may have left its draft behind.
    for stale in names_in(folder):
        if stale.startswith(f".{CURRENT}."):
            remove(stale, folder)
    draft = f".{CURRENT}.{secrets.token_hex(6)}"
    os.symlink(target, draft, dir_fd=folder)
    # A rename is atomic, whereas a link cannot be changed in place.
    os.replace(draft, CURRENT, src_dir_fd=folder, dst_dir_fd=folder)
    _sync(folder)


def _sync(folder: int) -> None:
    """Flush the folder's directory entries to disk; a file's fsync does not cover its name."""
    os.fsync(folder)
