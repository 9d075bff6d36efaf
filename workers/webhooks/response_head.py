"""Reads the head of a receiver's response: status and Retry-After. Only a head that is complete is a response."""

import re
import socket
from dataclasses import dataclass

from certline.workers.webhooks.deadline import Deadline

# Bytes of a head at most.
LARGEST = 64 * 1024
# Bytes read at a time.
PIECE = 4096
# Upper limit, in seconds, of a receiver's Retry-After.
LONGEST_PAUSE = 86_400

# The empty line that ends a head; some servers leave out the carriage returns.
_END = re.compile(rb"\n\r?\n")
_STATUS = re.compile(rb"HTTP/1\.[0-9] ([1-9][0-9]{2})(?: |\r?\n)")


class OddResponseError(Exception):
    """What arrived is no HTTP response; the text says why, without anything that was sent by the receiver."""


@dataclass(frozen=True)
class ReceiverResponse:
    """The receiver's response. `retry_after` is in seconds, 0 if the receiver gave none."""

    status: int
    retry_after: int = 0


def read_response(connected: socket.socket, deadline: Deadline) -> ReceiverResponse:
    """Read the head of a response; the body is left unread.

    Raises OddResponseError for a head that ends early or is none, and TimeoutError or another OSError of the
    connection.
    """
    received = bytearray()
    while True:
        head = _next_head(connected, received, deadline)
        found = _STATUS.match(head)
        if found is None:
            raise OddResponseError("its response is not HTTP")
        status = int(found[1])
        # Interim responses (100 Continue, 103 Early Hints) precede the one that counts.
        if status >= 200:
            return ReceiverResponse(status, _pause(head))


def _next_head(connected: socket.socket, received: bytearray, deadline: Deadline) -> bytes:
    """Take the next head from what was received, reading more as needed."""
    looked = 0
    while (end := _END.search(received, looked)) is None:
        if len(received) > LARGEST:
            raise OddResponseError(f"the head of its response has more than {LARGEST} bytes")
        # The end may have begun in the bytes that were searched already.
        looked = max(0, len(received) - 2)
        # A time-out applies to one read, so a response in small pieces could take for ever.
        connected.settimeout(deadline.left())
        piece = connected.recv(PIECE)
        if not piece:
            raise OddResponseError("the head of its response is incomplete")
        received += piece
    head = bytes(received[: end.end()])
    del received[: end.end()]
    return head


def _pause(head: bytes) -> int:
    """Return the seconds in Retry-After, or 0. It may also be a date, which is ignored."""
    for line in head.split(b"\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"retry-after":
            asked = value.strip()
            # Nine digits are far above the limit, and keep a hostile number short.
            return min(int(asked[:9]), LONGEST_PAUSE) if asked.isdigit() else 0
    return 0
