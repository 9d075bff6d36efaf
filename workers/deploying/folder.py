"""Folder with a line's deployed files, in which one complete set of files is visible at any time.

www.example.org/
  .line                    id of the line that owns the folder; locked during a run
  current -> versions/…    replaced atomically
  versions/SERIAL.…/       a certificate's files; the previous set is kept for processes that have it open
"""

import fcntl
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

MARK, CURRENT, VERSIONS = ".line", "current", "versions"
# Longest folder name made from a common name: that of an imported certificate can be any text.
LONGEST_NAME = 100
STRANGE = re.compile(r"[^a-z0-9._-]")


class FolderBusyError(Exception):
    """Another run holds the folder's lock."""


class NotOurFolderError(Exception):
    """The folder to be used was not created by certline, or not by this user or line; the text has the path."""


@dataclass(frozen=True)
class File:
    """File of a set. A secret one is readable by its owner only (mode 0600)."""

    name: str
    content: bytes = field(repr=False)
    is_secret: bool = False


def folder_name(common_name: str) -> str:
    """Return a folder name for a common name; `*.example.org` becomes `_wildcard.example.org`."""
    # No host name has an underscore, so a wildcard's folder never collides with a host's.
    name = common_name.lower()
    if name.startswith("*."):
        return "_wildcard." + STRANGE.sub("_", name[2:])[:LONGEST_NAME]
    return STRANGE.sub("_", name)[:LONGEST_NAME].lstrip(".") or "_"  # never hidden, `..` or empty


@contextmanager
def locked_folder(directory: Path, line_id: str, common_name: str) -> Iterator[Path]:
    """Yield the folder of a line below `directory`, created if necessary and locked against other runs.

    If another line of the same name owns the plain folder, the line's id is appended to the folder's name.
    Raises FolderBusyError if another run holds the lock, NotOurFolderError, OSError.
    """
    plain = folder_name(common_name)
    for name in (plain, f"{plain}-{line_id.lower()}"):
        folder = directory / name
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / MARK).exists() and any(folder.iterdir()):
            raise NotOurFolderError(
                f"{folder} already exists and was not created by certline: move it away, or choose "
                "another --directory"
            )
        with _mark_of(folder) as handle:
            if _is_of(handle, line_id):
                yield folder
                return
    raise NotOurFolderError(f"{folder} holds another line's files")


@contextmanager
def _mark_of(folder: Path) -> Iterator[int]:
    # O_NOFOLLOW: a symbolic link planted as the mark must not make us write elsewhere.
    handle = os.open(folder / MARK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        yield handle
    finally:
        os.close(handle)  # also releases the flock


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


def show(folder: Path, name: str, files: Sequence[File]) -> Path:
    """Write a set of files into a locked folder and make it the current one atomically.

    Returns the path of `current`. The previous set is kept, older ones are deleted. Raises OSError.
    """
    versions, current = folder / VERSIONS, folder / CURRENT
    versions.mkdir(exist_ok=True)
    before = current.readlink().name if current.is_symlink() else None
    fresh = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=versions))
    fresh.chmod(0o755)  # mkdtemp makes it 0700, but a server's user has to read the public files
    for file in files:
        _write(fresh / file.name, file)
    # On disk before the link points there: after a crash `current` never leads to missing files.
    for each in (fresh, versions):
        _sync(each)
    _point(current, f"{VERSIONS}/{fresh.name}")
    for old in versions.iterdir():
        if old.name not in (fresh.name, before):
            shutil.rmtree(old)
    return current


def clear(folder: Path) -> None:
    """Remove every set of files from a locked folder. Raises OSError."""
    with suppress(FileNotFoundError):  # the link first, so that it never points to deleted files
        (folder / CURRENT).unlink()
    if (folder / VERSIONS).exists():
        shutil.rmtree(folder / VERSIONS)


def private_directory(name: str) -> Path:
    """Return a directory below the system's temporary one that only this user can access.

    Raises NotOurFolderError if another user has created it or can access it, OSError.
    """
    directory = Path(tempfile.gettempdir()) / f"{name}-{os.getuid()}"
    with suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    # Anybody can create names in a temporary directory: check the owner, and do not follow a link.
    found = directory.lstat()
    if directory.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise NotOurFolderError(f"{directory} is accessible to other users: remove it")
    return directory


def _write(path: Path, file: File) -> None:
    mode = 0o600 if file.is_secret else 0o644
    # Created as 0600, so that a secret is never readable by others, not even before fchmod.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        os.fchmod(handle, mode)  # independent of the umask
        stream.write(file.content)
        stream.flush()
        os.fsync(handle)


def _point(link: Path, target: str) -> None:
    # A run that was killed may have left its draft behind.
    for stale in link.parent.glob(f".{link.name}.*"):
        stale.unlink()
    draft = link.with_name(f".{link.name}.{secrets.token_hex(6)}")
    draft.symlink_to(target)
    draft.replace(link)  # a rename is atomic, whereas a link cannot be changed in place
    _sync(link.parent)


def _sync(folder: Path) -> None:
    """Flush the folder's directory entries to disk; a file's fsync does not cover its name."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
