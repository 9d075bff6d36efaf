"""Message headers that pika can't read, and over which it would lose the connection.

A timestamp in milliseconds where AMQP has seconds (year 57868), or tables nested a thousand deep, end
pika's connection; RabbitMQ then delivers the same message again, for ever, and the queue stands still.
"""

import struct
from typing import Any

import pika.data
from pika.exceptions import AMQPError

_read = pika.data.decode_table

# Whatever Python's dates, decimals, structs and stack say to bytes that make no sense.
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
    """Have pika take a table that it can't read for an empty one, in this whole process."""
    pika.data.decode_table = _decode_table


def _decode_table(encoded: bytes, offset: int) -> tuple[dict[str, Any], int]:
    try:
        table: tuple[dict[str, Any], int] = _read(encoded, offset)
    except UNREADABLE:
        # AMQP 0-9-1, 4.2.5.5: a table says its length first.
        (length,) = struct.unpack_from(">I", encoded, offset)
        return {}, offset + 4 + length
    return table
