"""The folder of a line's files: one set of them is visible at a time, and it is whole.

www.example.org/
  .line                    whose folder it is; locked while somebody is at it
  current -> versions/…    changed in one step
  versions/SERIAL.…/       a certificate's files; the set before it stays for who has it open
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
# A folder's name; a certificate that was imported may have any common name.
LONGEST_NAME = 100
STRANGE = re.compile(r"[^a-z0-9._-]")


class FolderBusyError(Exception):
    """Somebody else is at this folder now."""


class NotOurFolderError(Exception):
    """A folder that we would have to use is somebody else's; the text says which and what to do."""


@dataclass(frozen=True)
class File:
    """One file of a set. A secret one is for its owner only."""

    name: str
    content: bytes = field(repr=False)
    is_secret: bool = False


def folder_name(common_name: str) -> str:
    """A folder's name for a common name; `_wildcard.example.org` can't be a host's."""
    name = common_name.lower()
    if name.startswith("*."):
        return "_wildcard." + STRANGE.sub("_", name[2:])[:LONGEST_NAME]
    return STRANGE.sub("_", name)[:LONGEST_NAME].lstrip(".") or "_"


@contextmanager
def locked_folder(directory: Path, line_id: str, common_name: str) -> Iterator[Path]:
    """The folder of a line below a directory, made where it is not there; nobody else of ours is at it.

    Where another line of that name has it, the line's id is part of the name.
    Raises FolderBusyError, NotOurFolderError, OSError.
    """
    plain = folder_name(common_name)
    for name in (plain, f"{plain}-{line_id.lower()}"):
        folder = directory / name
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / MARK).exists() and any(folder.iterdir()):
            raise NotOurFolderError(
                f"{folder} is there already, and not of certline's making: move it away, or take "
                "another --directory"
            )
        with _mark_of(folder) as handle:
            if _is_of(handle, line_id):
                yield folder
                return
    raise NotOurFolderError(f"{folder} has another line's files")


@contextmanager
def _mark_of(folder: Path) -> Iterator[int]:
    handle = os.open(folder / MARK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        yield handle
    finally:
        os.close(handle)  # which unlocks it


def _is_of(handle: int, line_id: str) -> bool:
    """Whether a mark is the line's, who then holds its lock; an empty one is taken."""
    owner = os.pread(handle, 64, 0).decode(errors="replace")
    if owner not in ("", line_id):
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FolderBusyError from None
    owner = os.pread(handle, 64, 0).decode(errors="replace")
    if owner == "":
        os.pwrite(handle, line_id.encode(), 0)
        os.fsync(handle)
    return owner in ("", line_id)


def show(folder: Path, name: str, files: Sequence[File]) -> Path:
    """Put a set of files into a locked folder, and make it the current one in one step; answers where
    they are found. The set before it stays, older ones go. Raises OSError.
    """
    versions, current = folder / VERSIONS, folder / CURRENT
    versions.mkdir(exist_ok=True)
    before = current.readlink().name if current.is_symlink() else None
    fresh = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=versions))
    fresh.chmod(0o755)
    for file in files:
        _write(fresh / file.name, file)
    for each in (fresh, versions):
        _sync(each)
    _point(current, f"{VERSIONS}/{fresh.name}")
    for old in versions.iterdir():
        if old.name not in (fresh.name, before):
            shutil.rmtree(old)
    return current


def clear(folder: Path) -> None:
    """Remove every set of files from a locked folder. Raises OSError."""
    with suppress(FileNotFoundError):
        (folder / CURRENT).unlink()
    if (folder / VERSIONS).exists():
        shutil.rmtree(folder / VERSIONS)


def private_directory(name: str) -> Path:
    """A directory of this user's own among the system's temporary ones.

    Raises NotOurFolderError where somebody else was there first, OSError.
    """
    directory = Path(tempfile.gettempdir()) / f"{name}-{os.getuid()}"
    with suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    found = directory.lstat()
    if directory.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise NotOurFolderError(f"{directory} is open to others: remove it")
    return directory


def _write(path: Path, file: File) -> None:
    mode = 0o600 if file.is_secret else 0o644
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        os.fchmod(handle, mode)  # whatever the umask is
        stream.write(file.content)
        stream.flush()
        os.fsync(handle)


def _point(link: Path, target: str) -> None:
    for stale in link.parent.glob(f".{link.name}.*"):
        stale.unlink()
    draft = link.with_name(f".{link.name}.{secrets.token_hex(6)}")
    draft.symlink_to(target)
    draft.replace(link)
    _sync(link.parent)


def _sync(folder: Path) -> None:
    """Have the folder's names on the disk, too."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
