"""Workaround for message headers that pika cannot decode, which would end its connection.

Examples are a timestamp in milliseconds, where AMQP has seconds (year 57868), and tables nested a thousand
deep. RabbitMQ would deliver the same message again after each reconnect, and the queue would be blocked.
"""

import struct
from typing import Any

import pika.data
from pika.exceptions import AMQPError

_read = pika.data.decode_table

# Exceptions that decoding invalid bytes into dates, decimals, structs or deeply nested tables can raise.
UNREADABLE = (
    ValueError,
    ArithmeticError,
    OSError,
    LookupError,
    RecursionError,
    struct.error,
    AMQPError,
)


def survive_odd_headers() -> None:
    """Patch pika, for the whole process, to decode a header table that it cannot read as an empty one."""
    pika.data.decode_table = _decode_table


def _decode_table(encoded: bytes, offset: int) -> tuple[dict[str, Any], int]:
    try:
        table: tuple[dict[str, Any], int] = _read(encoded, offset)
    except UNREADABLE:
        # A table begins with its length in bytes (AMQP 0-9-1, 4.2.5.5), so the rest of it can be skipped.
        (length,) = struct.unpack_from(">I", encoded, offset)
        return {}, offset + 4 + length
    return table
