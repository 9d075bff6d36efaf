"""Room on the disk for the mapped files of metrics, before they are written.

Prometheus' library makes files with holes. Where the disk is full, the system has no room for a hole that is
written, and ends the process (SIGBUS), perhaps with an answer of SCM's in hand. With the room reserved it is an
error, which `workers.metrics.tally` takes.
"""

import os

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

# Bytes that each process reserves for a kind of metric: more than all our labels together need. A file that grows
# all the same is doubled.
ROOM = 1 << 18
# Bytes of an entry besides its key, at most.
BESIDES = 32


class ReservedDict(MmapedDict):
    """A mapped file whose room is reserved. Raises OSError where there is none."""

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        if not read_mode:
            with open(filename, "ab") as file:  # noqa: PTH123  # as its base does
                _reserve(file.fileno(), ROOM)
        super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]

    def _init_value(self, key: str) -> None:
        if self._used + len(key.encode()) + BESIDES > self._capacity:
            _reserve(self._f.fileno(), 2 * self._capacity)
        super()._init_value(key)  # type: ignore[no-untyped-call]


def reserve_room() -> None:
    """Have the files of this process reserve their room. To be called before the first metric is made."""
    setattr(values, "MmapedDict", ReservedDict)  # noqa: B010  # it is not exported


def _reserve(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):  # Linux; macOS has none
        os.posix_fallocate(descriptor, 0, size)
