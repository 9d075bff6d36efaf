"""An attacker who may send commands tries to stop the intake of everybody's (review H1)."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, get_args

import pytest
from dramatiq.errors import DecodeError
from pydantic import BaseModel

from certline.models.commands.envelope import (
    LARGEST,
    Envelope,
    in_brief,
    incoming_command,
)
from certline.models.commands.kinds import KINDS, PUBLIC, CommandType
from certline.models.csr.key_search import without_private_keys
from certline.models.events.outbox import COMMANDS, INGRESS
from certline.models.validation import BadCommandError
from certline.producers.ingress import id_of
from certline.producers.messaging.delivery import Delivery
from certline.workers.process.broker import DiscreetEncoder
from certline.workers.runtime.messages import named_in
from tools.asyncapi.examples import COMMANDS as EXAMPLES

# Seconds of one processor, and runs of which the fastest counts.
LONGEST, RUNS = 0.1, 6
# Texts that make some pattern, codec or conversion slow: what is repeated, until the message has LARGEST bytes.
WORST = {
    "plain": "a",
    "dots of an address": ".",
    "address": "a@b.",
    "labels": "a.",
    "other alphabet": "ü",
    "other alphabet in labels": "ü.",
    "ideographs": "".join(chr(0x4E00 + 300 * n) for n in range(59)) + ".",
    "unordered marks": "a\u0323\u0301\u0327\u0335",
    "right to left": "\u05d0\u0660",
    "punycode": "xn--" + "a" * 59 + ".",
    "groups of IPv6": "1:",
    "digits": "9",
    "blanks": " ",
    "line ends": "\r\n",
    "dashes": "-",
    "backslashes": "\\",
    "quotation marks": '"',
    "controls": "\x1b",
    "percent": "%41",
    "end of PEM": "END ",
    "escapes": "\\u002b",
    "heading of PEM": "--" + "A" * 60,
    "private": "PRIVATE ",
    "request in PEM": "-----BEGIN CERTIFICATE REQUEST-----\n",
    "key in Base64": "MAAAAAAAAAAA ",
    "key in Base64 in Base64": "TUlJRXZRSUJBREFO ",
    "key in hex": "30 " * 22 + "zz ",
    "secret of a JWK": '"d":"aaaa',
    "media type": "+",
    "type": "certline.command.",
    "time": "2026-11-23T12:00:00Z",
    "DER of tiny values": base64.b64encode(b"\x05\x00" * 6000).decode(),
}
SOME = ("plain", "ideographs", "other alphabet in labels", "key in Base64", "address")
# Characters of each member of a list, or name of an object, into which a long text is cut.
LENGTHS = (1, 12, 60, 253, 30_000)
# Bytes that the longest value may have.
ROOM = LARGEST - 4_000


def long_values() -> Iterator[tuple[str, Any]]:
    """Yield (a description, a value) for every worst value of about LARGEST bytes in JSON."""
    for name, unit in WORST.items():
        yield name, filled(lambda size, unit=unit: unit * size)
        if name in SOME:
            yield f"{name}, as long as a request", (unit * 32_767)[:32_767]
            yield f"{name}, like DER", filled(lambda size, unit=unit: "MIIB" + unit * size)
            for length in LENGTHS:
                each = (unit * length)[:length]
                yield f"{name} in texts of {length}", filled(lambda size, each=each: [each] * size)
                yield f"{name} in names of {length}", filled(partial(names_like, each))
                yield (
                    f"{name} in entries of {length}",
                    filled(lambda size, each=each: {f"{n:x}": each for n in range(size)}),
                )
    yield "numbers", filled(lambda size: [1] * size)
    yield "long numbers", filled(lambda size: [10**4000] * size)
    yield "a long number", int("9" * 4000)
    yield "objects", filled(lambda size: [{}] * size)
    yield "lists in lists", filled(lambda size: [[[[[[]]]]]] * size)


def names_like(each: str, size: int) -> dict[str, str]:
    """Return an object with that many different names, which resemble a text."""
    return {f"{each}{n:x}"[-max(len(each), 5) :]: "" for n in range(size)}


def filled(of_size: Callable[[int], Any]) -> Any:
    """Return a value whose JSON has nearly ROOM bytes; `of_size` returns one of so many units."""
    size = 8
    while (length := len(in_json(of_size(size)))) > ROOM or length < ROOM // 2:
        size = max(1, size * ROOM // length - (size > 100 and length > ROOM))
    return of_size(size)


def in_json(document: Any) -> bytes:
    """Return a document as compact JSON."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def fields_of(model: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    """Yield the way to every field of a model, and of the models within it."""
    for name, field in model.model_fields.items():
        yield (name,)
        for inner in models_in(field.annotation):
            yield from ((name, *way) for way in fields_of(inner))


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models that an annotation names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in get_args(annotation):
        yield from models_in(each)


def a_message(name: str, way: tuple[str, ...], value: Any) -> bytes:
    """Return a valid command with another value in one field, as bytes of at most LARGEST."""
    document: dict[str, Any] = {
        "specversion": "1.0",
        "id": "0190aaaa-0000-7000-8000-000000000000",
        "source": "//shop.example/orders",
        "type": f"certline.command.{name}.v1",
        "data": dict(EXAMPLES[name][0]),
    }
    place = document
    for step in way[:-1]:
        place = place.setdefault(step, {})
    place[way[-1]] = value
    body = in_json(document)
    assert len(body) <= LARGEST
    return body


def read_at_the_ingress(name: str, body: bytes) -> None:
    """Read a message as the ingress does, and what it does with one that it refuses, but for Postgres."""
    try:
        incoming_command(body, COMMANDS, name)
    except BadCommandError as bad:
        in_brief(bad.problems)
        id_of(Delivery(INGRESS, False, {"message_id": ""}, body))
        without_private_keys(body)


def read_at_a_worker(name: str, body: bytes) -> None:
    """Read a message as a worker does that finds it on a work queue."""
    with suppress(BadCommandError, DecodeError):
        named_in(name, (), DiscreetEncoder().decode(body))


def seconds(read: Any, name: str, body: bytes) -> float:
    """Return the processor time of reading a message: of the first run that is fast enough, or of the best one."""
    best = float("inf")
    for _ in range(RUNS):
        began = time.thread_time()
        read(name, body)
        best = min(best, time.thread_time() - began)
        if best < LONGEST:
            break
    return best


EVERY_FIELD = [
    *(
        (name, ("data", *way))
        for name in PUBLIC
        for way in fields_of(KINDS[CommandType(name)].payload)
    ),
    *((name, ("data", "no_such_field")) for name in PUBLIC[:1]),
    *(("order", way) for way in fields_of(Envelope)),
    ("order", ("extension",)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "way"), EVERY_FIELD, ids=str)
def test_256_kb_of_the_worst_text_in_any_field_of_any_command_take_less_than_100_ms(
    name: str, way: tuple[str, ...]
) -> None:
    slow = {}
    for described, value in long_values():
        body = a_message(name, way, value)
        for read in (read_at_the_ingress, read_at_a_worker):
            took = seconds(read, name, body)
            if took >= LONGEST:
                slow[f"{described} ({read.__name__})"] = took

    assert slow == {}


def test_dots_as_an_address_are_refused_at_once_and_say_why() -> None:
    # 90,000 dots took minutes, and RabbitMQ took the connection for lost.
    body = a_message("order", ("data", "external_requesters"), ["a@" + "." * 90_000 + "@"])

    with pytest.raises(BadCommandError, match="has 90003 characters, at most 254 are allowed"):
        incoming_command(body, COMMANDS, "order")
    assert seconds(read_at_the_ingress, "order", body) < LONGEST


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("external_requesters", ["a@b.example"] * 101, "at most 100"),
        ("sans", ["a.example"] * 1001, "has 1001 names, at most 1000 are allowed"),
        ("sans", ["\u4e00" * 20 + ".example"] * 200, "give the names in their xn-- form"),
        ("common_name", "a" * 256, "has 256 characters, at most 255 are allowed"),
        ("organization", "a" * 256, "has 256 characters, at most 255 are allowed"),
        ("keystore_password_sealed", "a" * 4097, "has 4097 characters, at most 4096 are allowed"),
        ("custom_fields", {f"{n}": "x" for n in range(101)}, "at most 100"),
    ],
)
def test_what_is_too_long_is_refused_with_the_limit(field: str, value: Any, says: str) -> None:
    with pytest.raises(BadCommandError) as refused:
        incoming_command(a_message("order", ("data", field), value), COMMANDS, "order")

    assert any(says in problem for problem in refused.value.problems)


def test_a_thousand_names_and_a_hundred_requesters_are_still_taken() -> None:
    names = [f"shop-{number}.{'x' * 40}.nordhafen.example" for number in range(1000)]
    taken = incoming_command(a_message("order", ("data", "sans"), names), COMMANDS, "order")

    assert len(taken.payload.model_dump()["sans"]) == 1000
