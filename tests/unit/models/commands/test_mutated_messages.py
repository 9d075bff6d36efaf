"""Tests that no mutated message raises anything but BadCommandError, whichever door it takes."""

import json
from contextlib import suppress
from copy import deepcopy
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from certline.models.commands.envelope import id_in, incoming_command, read_body
from certline.models.events.outbox import COMMANDS
from certline.models.validation import BadCommandError
from certline.workers.runtime.messages import named_in
from tools.asyncapi.examples import COMMANDS as EXAMPLES

SOUND = [
    {
        "specversion": "1.0",
        "id": "0190aaaa-0000-7000-8000-000000000000",
        "source": "//shop.example/orders",
        "type": f"certline.command.{name}.v1",
        "time": "2026-11-23T12:00:00Z",
        "data": data,
    }
    for name, examples in EXAMPLES.items()
    for data in examples
]
NASTY: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(None, True, -1, 0, 2**31, 2**63, 10**400, 1.5, float("nan"), float("inf")),
        *("", " ", "\0", "\ud800", "a" * 5000, "9" * 5000, "0x1", "xn--", "*.", "192.0.2.7"),
        *("scm:1", "scm:²", "P-256", "٣", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"),
        *([], {}, [[]], [None], {"": None}, {"a": {"b": []}}, ["\0"], {"\0": "\0"}),
    ]
)
VALUES = NASTY | st.text(max_size=20) | st.integers() | st.floats() | st.binary(max_size=5).map(str)


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the ways to every value within a document."""
    if isinstance(value, dict):
        inner = [place for key, each in value.items() for place in places(each, (*way, key))]
    elif isinstance(value, list):
        inner = [place for n, each in enumerate(value) for place in places(each, (*way, n))]
    else:
        inner = []
    return [way, *inner] if way else inner


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a sound message with up to three of its values replaced, removed or added."""
    document: dict[str, Any] = json.loads(json.dumps(draw(st.sampled_from(SOUND))))
    for _ in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from(places(document)))
        holder: Any = document
        for step in above:
            holder = holder[step]
        if draw(st.booleans()):
            holder[last] = deepcopy(draw(VALUES))
        elif isinstance(holder, dict) and len(holder) > 1:
            del holder[last]
            holder[draw(st.text(max_size=12))] = deepcopy(draw(VALUES))
    return document


@given(document=mutated())
@settings(max_examples=400)
def test_no_mutated_command_raises_anything_but_a_refusal(document: dict[str, Any]) -> None:
    body = json.dumps(document).encode()
    for key in ("order", "renew", ""):
        with suppress(BadCommandError):
            incoming_command(body, COMMANDS, key)
    named = {"command_id": document.get("data")}
    for args, kwargs in (((), document), ((document,), {}), ((), named)):
        with suppress(BadCommandError):
            named_in("order", args, kwargs)
    id_in(document)


TEXTS = st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass"))


@given(body=st.binary(max_size=200) | TEXTS)
@example(body=b"[" * 100_000)
@example(body=b'{"id": ' + b"9" * 5000 + b"}")
@example(body=b"\xff\xfe{\0}\0")
@example(body=b"\xef\xbb\xbf{}")
@settings(max_examples=200)
def test_no_bytes_raise_anything_but_a_refusal(body: bytes) -> None:
    with suppress(BadCommandError):
        read_body(body)
