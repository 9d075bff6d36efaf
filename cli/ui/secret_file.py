"""Writing of files that may hold a private key: completely or not at all, readable by the owner only."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from certline.cli.errors import WRONG_USE, Fault


def write(output: str, content: bytes, *, force: bool, is_text: bool) -> None:
    """Write to a new file (mode 0600), or to standard output for `-`. Raises Fault if that fails."""
    if output == "-":
        if sys.stdout.isatty() and not is_text:
            raise Fault(
                "this format is binary and the output is a terminal; name a file", code=WRONG_USE
            )
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    target = Path(output)
    try:
        if target.is_dir():
            raise Fault(f"{output} is a folder; name a file in it", code=WRONG_USE)
        _write_whole(target, content, force=force)
    except FileExistsError:
        raise Fault(f"{output} already exists; --force overwrites it") from None
    except OSError as error:
        raise Fault(f"{output} cannot be written: {error.strerror}") from None
    except ValueError:
        raise Fault("a file's name cannot contain NUL", code=WRONG_USE) from None


def _write_whole(target: Path, content: bytes, *, force: bool) -> None:
    """Write a draft beside the target and sync it, then give it the target's name in one step."""
    # A short name of its own: the target's may be as long as the file system allows.
    draft = target.with_name(f".certline.{os.urandom(6).hex()}")
    # Mode 0600 from the moment of creation: the key is never readable by others.
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if force:
            draft.replace(target)
        else:
            _put(draft, target)
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()


def _put(draft: Path, target: Path) -> None:
    """Give the draft its name, unless that is taken. Raises FileExistsError."""
    try:
        # A hard link fails if the name exists; a rename would silently overwrite the file.
        os.link(draft, target)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links: claim the name first, then move the content there.
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        draft.replace(target)
