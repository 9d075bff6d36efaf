"""Heads of the audit log that are kept outside the database: in a file of JSON lines, or as events."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from certline.models.audit.head import BadHeadError, Head

# Characters of a line: an event has a few hundred.
LONGEST = 64_000


class BadHeadsError(ValueError):
    """A file of heads has a line that is none; the text says which."""


@dataclass(frozen=True)
class KeptHead:
    """A head, and when it was the end of the log, as its keeper wrote it down; None if he did not."""

    head: Head
    at: str | None = None


def append_head(path: Path, head: Head, at: datetime) -> None:
    """Append a head to the file as a line of JSON, and write it to the disk. Raises OSError.

    The file is made if it is missing, readable by its owner only. A link in its place is not followed: whoever may
    write to the folder could have the line appended anywhere.
    """
    new = not path.exists()
    line = json.dumps({"at": at.isoformat(), "entries": head.seq, "head": str(head)}) + "\n"
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(path, flags, 0o600)
    try:
        # One write, so that two producers cannot mix their lines.
        written = os.write(handle, line.encode())
        if written < len(line):
            raise OSError(f"only {written} of {len(line)} bytes were written")
        os.fsync(handle)
    finally:
        os.close(handle)
    if new:
        _sync_folder(path.parent)


def heads_in(lines: Iterable[str]) -> Iterator[KeptHead]:
    """Yield the heads in lines of text: those of `append_head`, `audit.head` events, or heads alone.

    Blank lines and events of other types are skipped. Raises BadHeadsError for a line that is none of these.
    """
    for number, line in enumerate(lines, start=1):
        try:
            kept = _head_in(line.strip())
        except (ValueError, RecursionError) as error:
            why = error if isinstance(error, BadHeadError) else "it is not JSON"
            raise BadHeadsError(f"line {number}: {why}") from None
        if kept is not None:
            yield kept


def _head_in(line: str) -> KeptHead | None:
    if not line:
        return None
    if len(line) > LONGEST:
        raise BadHeadError(f"a line of more than {LONGEST} characters has no head")
    if not line.startswith(("{", '"')):
        return KeptHead(Head.of(line))
    found: Any = json.loads(line)
    if isinstance(found, dict) and "specversion" in found:
        if found.get("type") != "audit.head":
            return None
        found = found.get("data")
    if isinstance(found, str):
        return KeptHead(Head.of(found))
    head, at = (found.get("head"), found.get("at")) if isinstance(found, dict) else (None, None)
    if not isinstance(head, str):
        raise BadHeadError("there is no `head` in it")
    return KeptHead(Head.of(head), at if isinstance(at, str) else None)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
