"""Tests of the envelope around another system's command, and of messages that are refused."""

import json
from typing import Any
from uuid import UUID

import pytest

from certline.models.commands.envelope import (
    LARGEST,
    IncomingCommand,
    id_in,
    in_brief,
    read_body,
    read_command,
)
from certline.models.commands.kinds import PUBLIC
from certline.models.commands.payloads import OrderCommand
from certline.models.validation import BadCommandError

ID = "0190aaaa-0000-7000-8000-000000000000"
DATA: dict[str, Any] = {
    "common_name": "shop.nordhafen.example",
    "organization": "Nordhafen AG",
    "profile": "OV Single",
    "term": 365,
}


def an_event(**attributes: Any) -> dict[str, Any]:
    """Return a valid event, changed by the given attributes; attributes that are None are left out."""
    usual = {
        "specversion": "1.0",
        "id": ID,
        "source": "//shop.example/orders",
        "type": "certline.command.order.v1",
        "data": DATA,
    }
    return {name: value for name, value in (usual | attributes).items() if value is not None}


def read(body: bytes) -> IncomingCommand:
    """Read a message as the ingress does."""
    return read_command(read_body(body))


def refused(body: bytes | dict[str, Any]) -> list[str]:
    """Return the problems of a message."""
    with pytest.raises(BadCommandError) as refusal:
        read(body if isinstance(body, bytes) else json.dumps(body).encode())
    return refusal.value.problems


def test_a_sound_event_is_a_typed_command() -> None:
    asked = read(json.dumps(an_event()).encode())

    assert (asked.id, asked.name, asked.source) == (ID, "order", "//shop.example/orders")
    assert isinstance(asked.payload, OrderCommand)
    assert asked.payload.term == 365


def test_what_other_systems_may_send_is_not_what_the_line_sends_itself() -> None:
    assert {"sync", "order", "poll"} <= set(PUBLIC)
    assert not {"fetch", "reconcile"} & set(PUBLIC)


@pytest.mark.parametrize(
    "more",
    [
        {"subject": "order 17"},
        {"time": "2026-11-23T12:00:00+01:00"},
        {"correlationid": "ticket-1"},
        {"datacontenttype": "application/json; charset=utf-8"},
        {"datacontenttype": "application/vnd.shop+json"},
        {"dataschema": "https://shop.example/order.json"},
        {"traceparent": "00-4bf9-00f0-01", "sequence": 7, "sampled": True, "x0": "1"},
    ],
    ids=str,
)
def test_optional_attributes_and_extensions_are_taken(more: dict[str, Any]) -> None:
    assert read(json.dumps(an_event(**more)).encode()).id == ID


def test_an_attribute_that_is_null_is_absent() -> None:
    event = an_event() | {"subject": None, "traceparent": None}

    assert read(json.dumps(event).encode()).id == ID


def test_an_id_is_kept_in_its_one_spelling() -> None:
    assert read(json.dumps(an_event(id=ID.upper())).encode()).id == ID


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        ({"specversion": None}, "specversion: is missing"),
        ({"specversion": "0.3"}, "specversion: '0.3' is not one of '1.0'"),
        ({"specversion": 1.0}, "specversion: 1.0 is not one of '1.0'"),
        ({"id": None}, "id: is missing"),
        ({"id": "order-17"}, "id: 'order-17' is not a UUID"),
        ({"id": 17}, "id: Input should be a valid string"),
        ({"source": None}, "source: is missing"),
        ({"source": ""}, "source: should be a URI"),
        ({"source": "the shop"}, "source: should be a URI"),
        ({"source": "x" * 256}, "source: should be a URI of at most 255 characters"),
        ({"type": None}, "type: is missing"),
        (
            {"type": "certline.command.order.v2"},
            "type: 'certline.command.order.v2' is not a command",
        ),
        (
            {"type": "certline.command.fetch.v1"},
            "type: 'certline.command.fetch.v1' is not a command",
        ),
        ({"type": "order"}, "there are: certline.command.sync.v1"),
        ({"type": ["order"]}, "type: Input should be a valid string"),
        ({"data": None}, "data: is missing"),
        ({"data": "{}"}, "data: should be an object"),
        ({"data": [DATA]}, "data: should be an object"),
        ({"subject": ""}, "subject: "),
        ({"subject": {"a": 1}}, "subject: "),
        ({"time": 1764000000}, "time: should be a time"),
        ({"time": "yesterday"}, "time: "),
        ({"time": "2026-11-23T12:00:00"}, "time: "),
        ({"correlationid": 5}, "correlationid: "),
        ({"datacontenttype": "text/xml"}, "datacontenttype: 'text/xml' is not application/json"),
        ({"data_base64": "e30="}, "data_base64: is not a valid attribute name"),
        ({"Trace": "1"}, "Trace: is not a valid attribute name"),
        ({"trace": {"parent": 1}}, "trace: should be a string, a number, or true or false"),
        ({"data": DATA | {"colour": "blue"}}, "data.colour: there is no such field"),
        ({"data": DATA | {"term": "365"}}, "data.term: "),
        ({"data": {}}, "data.common_name: is missing"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named_by_its_field(attributes: dict[str, Any], says: str) -> None:
    assert any(says in problem for problem in refused(an_event(**attributes)))


def test_all_that_is_wrong_with_an_event_is_said_at_once() -> None:
    assert len(refused(an_event(id="1", source="", type="x", Odd=1))) == 4


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "is not JSON: Expecting value at line 1 column 1"),
        (b"{", "is not JSON"),
        (b"null", "should be a JSON object"),
        (b"[]", "should be a JSON object"),
        (b"\x00\xff\xfe", "is not in UTF-8"),
        (json.dumps(an_event()).encode("utf-16"), "is not in UTF-8"),
        (json.dumps(an_event()).encode("utf-8-sig"), "is not JSON: Unexpected UTF-8 BOM"),
        (json.dumps(an_event()).encode()[:-2], "is not JSON"),
        (json.dumps(an_event()).encode() * 2, "is not JSON: Extra data"),
        (b'{"a":' * 2_000 + b"1" + b"}" * 2_000, "nested deeper than 20 levels"),
        (json.dumps(an_event(x=1)).encode().replace(b"1}", b"[" * 30 + b"]" * 30 + b"}"), "deeper"),
        (b'{"term": NaN}', "is not JSON: NaN is not a JSON number"),
        (b'{"term": -Infinity}', "-Infinity is not a JSON number"),
        (b'{"term": 1e999}', "a number that is too large"),
        (b'{"term": ' + b"9" * 5000 + b"}", "is not JSON: "),
        (b'{"id": "1", "id": "2"}', "'id' appears twice in one object"),
        (b'{"a": "\\u0000"}', "contains the character NUL"),
        (b'{"a\\u0000": 1}', "contains the character NUL"),
        (b'{"a": "\\ud800"}', "half of a surrogate pair"),
        (b'{"a": [' + b"1," * 3_000 + b"1]}", "has more than 2500 values"),
        (b'{"a": "' + b"," * 6_000 + b'"}', "has more than 2500 values"),
        (b" " * (LARGEST + 1), f"has {LARGEST + 1} bytes, at most {LARGEST} are allowed"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_no_message_of_ours_is_refused_in_a_sentence(body: bytes, says: str) -> None:
    [problem] = refused(body)

    assert says in problem
    assert len(problem) < 250


def test_a_message_of_exactly_the_limit_is_read() -> None:
    body = json.dumps(an_event()).encode()

    assert read(body + b" " * (LARGEST - len(body))).id == ID


def test_a_message_of_very_many_fields_is_refused_quickly_and_briefly() -> None:
    data = {f"f{number}": 1 for number in range(1_000)}

    problems = in_brief(refused(an_event(data=data)))

    assert problems[-1] == "and 984 more"
    assert sum(map(len, problems)) < 2_000


def test_a_very_long_value_is_not_repeated_at_length() -> None:
    [problem] = in_brief(refused(an_event(data=DATA | {"common_name": "x" * 100_000})))

    assert problem == "data.common_name: has 100000 characters, at most 255 are allowed"


def test_a_password_in_the_clear_is_not_repeated() -> None:
    problems = refused(an_event(data=DATA | {"keystore_password": "hunter2"}))

    assert problems == ["data.keystore_password: there is no such field"]


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"id": ID}, ID),
        ({"id": str(UUID(ID)).upper(), "data": 5}, ID),
        ({"id": "x"}, None),
        ({"id": 5}, None),
        ({"id": None}, None),
        ({}, None),
    ],
    ids=str,
)
def test_the_id_is_found_however_bad_the_rest_is(
    document: dict[str, Any], found: str | None
) -> None:
    assert id_in(document) == found
