"""Tests of the W3C `traceparent`: read as the specification says, and passed on by whatever is begun."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certline.models.commands.wake_up import wake_up
from certline.models.events.outbox import event_row
from certline.models.events.trace_context import (
    current_traceparent,
    is_sampled,
    is_unrecorded,
    new_traceparent,
    trace_id_of,
    traceparent_in,
    valid_traceparent,
    within,
)
from certline.models.states import CommandType
from tests.support.documented_events import some

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (GIVEN, GIVEN),
        (f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-00"),
        (f"00-{TRACE}-{SPAN}-ff", f"00-{TRACE}-{SPAN}-ff"),
        # A later version may have more fields, and is read as version 00.
        (f"cc-{TRACE}-{SPAN}-01", GIVEN),
        (f"cc-{TRACE}-{SPAN}-01-what-comes", GIVEN),
    ],
)
def test_a_valid_one_is_read(text: str, read: str) -> None:
    assert valid_traceparent(text) == read


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        None,
        7,
        b"00",
        [GIVEN],
        GIVEN.upper(),
        f" {GIVEN}",
        f"{GIVEN}\n",
        f"{GIVEN}-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"0-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"cc-{TRACE}-{SPAN}-01.what-comes",
        f"cc-{TRACE}-{SPAN}-01-{'x' * 600}",
    ],
    ids=repr,
)
def test_a_malformed_one_is_none(text: object) -> None:
    assert valid_traceparent(text) is None


@given(st.text(max_size=80))
def test_no_text_is_an_error(text: str) -> None:
    found = valid_traceparent(text)
    assert found is None or len(found) == 55


def test_a_new_one_is_valid_random_and_known_as_unrecorded() -> None:
    made = new_traceparent()

    assert valid_traceparent(made) == made
    assert made != new_traceparent()
    assert is_unrecorded(made)
    assert not is_unrecorded(GIVEN)
    assert is_sampled(made)


def test_its_parts() -> None:
    assert trace_id_of(GIVEN) == TRACE
    assert trace_id_of(None) is None
    assert is_sampled(GIVEN)
    assert not is_sampled(GIVEN.removesuffix("01") + "02")


def test_what_is_begun_within_a_trace_belongs_to_it() -> None:
    with within(GIVEN):
        event = event_row(some("order.issued"), subject=None, correlation_id=None)
        message = wake_up(CommandType.POLL, "0190")
        assert traceparent_in({}) == GIVEN

    assert current_traceparent() is None
    assert event["body"]["traceparent"] == GIVEN
    assert message["body"]["options"] == {"traceparent": GIVEN}


def test_a_transaction_outside_of_any_trace_begins_one() -> None:
    info: dict[str, str] = {}

    first = traceparent_in(info)

    assert traceparent_in(info) == first
    assert traceparent_in({}) != first


def test_another_thread_is_in_no_trace() -> None:
    seen: list[str | None] = []
    with within(GIVEN):
        thread = threading.Thread(target=lambda: seen.append(current_traceparent()))
        thread.start()
        thread.join()

    assert seen == [None]
