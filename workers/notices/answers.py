"""Limits of what a service may answer: apprise reads all of it into memory, however much and however long.

A service that sends for ever would end the worker, with whatever its other threads have in hand.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, wraps
from typing import Any

# Bytes of an answer; services say no more than that they have taken a message, and its id.
LARGEST = 1 << 20
# In the text of what is raised, so that it is known when apprise has logged it.
TOO_LARGE = "the answer does not end"

_own = threading.local()


@contextmanager
def bounded_answers(within: float) -> Iterator[None]:
    """Limit the answers over HTTP that this thread reads in the block: LARGEST bytes each, and a time for all."""
    _limit_requests()
    _own.until = time.monotonic() + within
    try:
        yield
    finally:
        _own.until = None


@cache
def _limit_requests() -> None:
    """Make the library that apprise's plugins use keep the limits of a thread that has any."""
    import requests  # noqa: PLC0415  # with apprise, when a notice is sent

    read = requests.Response.iter_content

    @wraps(read)
    def iter_content(self: requests.Response, *args: Any, **named: Any) -> Iterator[Any]:
        pieces = read(self, *args, **named)
        return pieces if getattr(_own, "until", None) is None else _limited(pieces)

    def _limited(pieces: Iterator[Any]) -> Iterator[Any]:
        size = 0
        for piece in pieces:
            size += len(piece)
            if size > LARGEST or time.monotonic() > _own.until:
                raise requests.RequestException(TOO_LARGE)
            yield piece

    requests.Response.iter_content = iter_content  # type: ignore[method-assign]
