"""An attacker who may send commands tries to stop the intake of everybody's (review H1)."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, get_args

import pytest
from dramatiq.errors import DecodeError
from pydantic import BaseModel

from certline.models.commands.envelope import LARGEST, Envelope, in_brief, incoming_command
from certline.models.commands.kinds import KINDS, PUBLIC
from certline.models.csr.key_search import without_private_keys
from certline.models.events.outbox import COMMANDS, INGRESS
from certline.models.states import CommandType
from certline.models.validation import BadCommandError
from certline.producers.ingress import id_and_trace_of
from certline.producers.messaging.delivery import Delivery
from certline.workers.process.broker import DiscreetEncoder
from certline.workers.runtime.messages import named_in
from tests.security.worst_texts import in_json, long_texts
from tools.asyncapi.examples import COMMANDS as EXAMPLES

# Seconds of one processor, and runs of which the fastest counts.
LONGEST, RUNS = 0.1, 6


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


def a_message(name: str, way: tuple[str, ...], value: bytes) -> bytes:
    """Return a valid command with another value, in JSON, in one field, as bytes of at most LARGEST."""
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
    place[way[-1]] = "(value)"
    body = in_json(document).replace(b'"(value)"', value, 1)
    assert len(body) <= LARGEST
    return body


def read_at_the_ingress(name: str, body: bytes) -> None:
    """Read a message as the ingress does, and what it does with one that it refuses, but for Postgres."""
    try:
        incoming_command(body, COMMANDS, name)
    except BadCommandError as bad:
        in_brief(bad.problems)
        id_and_trace_of(Delivery(INGRESS, False, {"message_id": ""}, body))
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
    assert slow_in(read_at_the_ingress, name, way) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLIC)
def test_nor_do_they_at_a_worker_that_finds_them_on_a_work_queue(name: str) -> None:
    # The readers differ in what comes before the fields.
    assert slow_in(read_at_a_worker, name, ("data", "account")) == {}


def slow_in(
    read: Callable[[str, bytes], None], name: str, way: tuple[str, ...]
) -> dict[str, float]:
    """Return the worst values with which reading takes too long, and how many seconds."""
    took = {
        described: seconds(read, name, a_message(name, way, value))
        for described, value in long_texts()
    }
    return {described: best for described, best in took.items() if best >= LONGEST}


def test_dots_as_an_address_are_refused_at_once_and_say_why() -> None:
    # 90,000 dots took minutes, and RabbitMQ took the connection for lost.
    body = a_message("order", ("data", "external_requesters"), in_json(["a@" + "." * 90_000 + "@"]))

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
        incoming_command(a_message("order", ("data", field), in_json(value)), COMMANDS, "order")

    assert any(says in problem for problem in refused.value.problems)


def test_a_thousand_names_and_a_hundred_requesters_are_still_taken() -> None:
    names = [f"shop-{number}.{'x' * 40}.nordhafen.example" for number in range(1000)]
    taken = incoming_command(
        a_message("order", ("data", "sans"), in_json(names)), COMMANDS, "order"
    )

    assert len(taken.payload.model_dump()["sans"]) == 1000


def test_a_work_message_larger_than_any_of_ours_is_not_parsed() -> None:
    for body in (
        b"[" * 20_000,
        b'"' + b"x" * (LARGEST + 20_000) + b'"',
        b"[" + b"1," * 6_000 + b"1]",
    ):
        with pytest.raises(DecodeError, match="larger than any message of ours"):
            DiscreetEncoder().decode(body)
