"""Invalid messages of every kind, the same ones in each run."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from certline.models.commands.envelope import LARGEST
from tests.integration.producers.senders import ORDER, an_event

Spoil = Callable[[random.Random, dict[str, Any]], bytes]


def bad_messages(count: int, seed: int = 8) -> Iterator[tuple[str, bytes]]:
    """Yield (kind, body) of messages that no ingress may accept; the kinds in turn, each body different."""
    chance = random.Random(seed)  # noqa: S311  # nothing secret
    for number in range(count):
        spoil = KINDS[number % len(KINDS)]
        event = an_event(id=str(UUID(int=chance.getrandbits(128), version=4)))
        yield spoil.__name__, spoil(chance, event)


def truncated(chance: random.Random, event: dict[str, Any]) -> bytes:
    """Truncate the body, as if the connection had ended."""
    body = json.dumps(event).encode()
    return body[: chance.randrange(1, len(body))]


def binary(chance: random.Random, _event: dict[str, Any]) -> bytes:
    """Return noise; its first byte begins no UTF-8 character."""
    return b"\xff" + chance.randbytes(chance.randrange(500))


def scratched(chance: random.Random, event: dict[str, Any]) -> bytes:
    """Replace some bytes by control characters, which JSON allows nowhere."""
    body = bytearray(json.dumps(event).encode())
    for place in chance.choices(range(len(body)), k=5):
        body[place] = chance.randrange(1, 32)
    return bytes(body)


def deep(chance: random.Random, event: dict[str, Any]) -> bytes:
    """Nest far deeper than a command, or than Python's stack."""
    depth = chance.choice([21, 100, 999, 5_000, 50_000])
    opening, closing = chance.choice([(b"[", b"]"), (b'{"a":', b"}")])
    body = json.dumps(event).encode()
    inner = opening * depth + b"1" + closing * depth
    return body[:-1] + b', "deep": ' + inner + b"}"


def huge_number(chance: random.Random, event: dict[str, Any]) -> bytes:
    """Add a number that no column, no float or no Python accepts."""
    number = chance.choice(
        [
            *(
                "1e400",
                "-1e400",
                "1e5000000",
                "NaN",
                "Infinity",
                "-Infinity",
                "99999999999999999999",
            ),
            *("-1", "0", "0.5", "1e2", "9" * 4_000, "9" * 5_000),
        ]
    )
    return (
        json.dumps(event | {"data": ORDER | {"term": 0}})
        .replace('"term": 0', f'"term": {number}')
        .encode()
    )


def wrong_encoding(chance: random.Random, event: dict[str, Any]) -> bytes:
    """Encode the JSON in another encoding than UTF-8."""
    event["data"] = ORDER | {"comments": "Käse, groß"}
    text = json.dumps(event, ensure_ascii=False)
    return text.encode(chance.choice(["utf-16", "utf-32", "latin-1", "cp500", "utf-8-sig"]))


def odd_text(chance: random.Random, event: dict[str, Any]) -> bytes:
    """Add characters that Postgres cannot store."""
    odd = chance.choice(["\0", "\ud800", "\udfff", "a\0b"])
    field = chance.choice(["comments", "common_name", "organization", odd])
    return json.dumps(event | {"data": ORDER | {field: odd}}).encode()


def wrong_field(chance: random.Random, event: dict[str, Any]) -> bytes:
    """Replace fields of the contract by values of another type, or none."""
    field = chance.choice(["common_name", "term", "profile", "organization", "csr"])
    value = chance.choice([[], {}, {"a": 1}, [[]], True, 3.5])
    return json.dumps(event | {"data": ORDER | {field: value, "sans": value}}).encode()


def unknown_field(chance: random.Random, event: dict[str, Any]) -> bytes:
    """Add an unknown field, such as a password in clear text."""
    field = chance.choice(["colour", "keystore_password", "__class__", "", "id", "x" * 5_000])
    return json.dumps(event | {"data": ORDER | {field: "hunter2"}}).encode()


def missing_field(chance: random.Random, event: dict[str, Any]) -> bytes:
    """Remove a field."""
    field = chance.choice(list(ORDER))
    data = {name: value for name, value in ORDER.items() if name != field}
    return json.dumps(event | {"data": data}).encode()


def wrong_envelope(chance: random.Random, event: dict[str, Any]) -> bytes:
    """Spoil an attribute around the data."""
    name = chance.choice(["specversion", "id", "source", "type", "data"])
    options: list[Any] = [None, "", 7, [], ["1.0"], "1 1", {"id": 1}, "x" * 9_000]
    value = chance.choice(options)
    if name == "data" and isinstance(value, dict):
        value = [value]
    return json.dumps(event | {name: value}).encode()


def no_event(chance: random.Random, _event: dict[str, Any]) -> bytes:
    """Return JSON that is no event."""
    options: list[Any] = [None, True, 1, "text", [], {}, [an_event()], ORDER]
    value = chance.choice(options)
    return json.dumps(value).encode() + b" " * chance.randrange(1_000)


def no_json(chance: random.Random, event: dict[str, Any]) -> bytes:
    """Return something other than JSON."""
    text = json.dumps(event)
    return chance.choice(
        [str(event), text + text, f"<order>{text}</order>", text.replace(",", ";"), "", "order=1"]
    ).encode() + b"\n" * chance.randrange(1_000)


def twice(chance: random.Random, event: dict[str, Any]) -> bytes:
    """Repeat a name, so that its value is ambiguous."""
    name = chance.choice(list(event))
    return json.dumps(event)[:-1].encode() + f', "{name}": 1}}'.encode()


def too_large(chance: random.Random, event: dict[str, Any]) -> bytes:
    """Exceed the size allowed for a message."""
    return json.dumps(event).encode() + b" " * (LARGEST + chance.randrange(1_000))


KINDS: tuple[Spoil, ...] = (
    truncated,
    binary,
    scratched,
    deep,
    huge_number,
    wrong_encoding,
    odd_text,
    wrong_field,
    unknown_field,
    missing_field,
    wrong_envelope,
    no_event,
    no_json,
    twice,
    too_large,
)
