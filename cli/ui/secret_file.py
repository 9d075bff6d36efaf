"""Writing a file that may hold a key: whole or not at all, and for its owner only."""

import os
import secrets
import sys
from contextlib import suppress
from pathlib import Path

from certline.cli.errors import WRONG_USE, Fault


def write(output: str, content: bytes, *, force: bool, is_text: bool) -> None:
    """Write to a new file, or to standard output for `-`. Raises Fault where it can't."""
    if output == "-":
        if sys.stdout.isatty() and not is_text:
            raise Fault("this is no text for a terminal; name a file", code=WRONG_USE)
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    target = Path(output)
    if target.is_dir():
        raise Fault(f"{output} is a folder; name a file in it", code=WRONG_USE)
    try:
        _write_whole(target, content, force=force)
    except FileExistsError:
        raise Fault(f"{output} is there already; --force overwrites it") from None
    except OSError as error:
        raise Fault(f"{output} cannot be written: {error.strerror}") from None


def _write_whole(target: Path, content: bytes, *, force: bool) -> None:
    draft = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
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
        os.link(draft, target)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links: take the name first, then put the content under it.
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        draft.replace(target)
