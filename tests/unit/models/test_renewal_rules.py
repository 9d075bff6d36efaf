"""Tests of automatic renewal dates: the lead, the spread, the cap and the emergency band."""

import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certline.models.renewals.timing import (
    Span,
    even_load,
    lead_of,
    schedule,
    share_of,
    span_of,
    usual_cap,
)

TODAY = date(2029, 6, 1)
NOW = datetime(2029, 6, 1, tzinfo=UTC)


def a_span(number: int = 0, *, age: float = 0, lifetime: float = 47, days: int = 30) -> Span:
    """Return a certificate that has lived `age` days of its lifetime."""
    begins = NOW - timedelta(days=age)
    ends = begins + timedelta(days=lifetime)
    return span_of(f"C{number}", f"L{number}", begins, ends, days)


@st.composite
def an_estate(draw: st.DrawFn) -> list[Span]:
    """Draw certificates of any age, some of them in their emergency band or expired."""
    rows = draw(
        st.lists(
            st.tuples(
                st.floats(0.5, 400), st.floats(0, 1.02), st.integers(1, 60), st.integers(0, 30)
            ),
            max_size=60,
        )
    )
    return [
        a_span(number, age=share * lifetime + shift / 100, lifetime=lifetime, days=days)
        for number, (lifetime, share, days, shift) in enumerate(rows)
    ]


CAPS = st.integers(1, 12)


def emergencies(spans: Sequence[Span]) -> set[str]:
    """Return the ids of certificates to which no cap applies today."""
    return {span.id for span in spans if span.emergency <= TODAY}


def has_room(spans: Sequence[Span], cap: int) -> bool:
    """Check whether every certificate can have a day up to its wanted date (Hall's condition)."""
    urgent = emergencies(spans)
    rest = [span for span in spans if span.id not in urgent]
    for last in {max(span.wanted, TODAY) for span in rest}:
        there = ((last - TODAY).days + 1) * cap - min(len(urgent), cap)
        if sum(max(span.wanted, TODAY) <= last for span in rest) > there:
            return False
    return True


@pytest.mark.parametrize(
    ("lifetime", "days", "lead"),
    [(398, 30, 30), (200, 30, 30), (100, 30, 30), (47, 30, 47 / 3), (90, 30, 30), (6, 30, 3)],
)
def test_the_lead_is_what_was_asked_for_and_never_more_than_a_third_or_half_of_a_short_life(
    lifetime: int, days: int, lead: float
) -> None:
    assert lead_of(timedelta(days=lifetime), days) == timedelta(days=lead)


def test_a_third_of_47_days_is_twelve_renewals_a_year_and_not_twenty_one() -> None:
    thirty_before = 365 / (47 - 30)

    assert 21 < thirty_before < 22
    assert 11 < 365 * even_load([a_span(days=30)]) < 12


def test_a_lines_place_in_the_spread_is_the_same_on_every_machine() -> None:
    assert share_of("01KJQ90B7EXT3Z9Q5S7V1W3Y5A") == pytest.approx(0.889971)


def test_places_in_the_spread_are_even() -> None:
    counts = Counter(int(share_of(f"01J{number}") * 10) for number in range(10_000))

    assert all(850 < count < 1150 for count in counts.values())


@given(an_estate(), CAPS)
def test_every_certificate_is_due_exactly_once_and_never_in_the_past(
    spans: list[Span], cap: int
) -> None:
    planned = schedule(spans, today=TODAY, cap=cap, taken={})

    assert sorted(planned) == sorted(span.id for span in spans)
    assert all(day >= TODAY for day in planned.values())


@given(an_estate(), CAPS)
def test_no_certificate_is_later_than_its_wanted_date_where_the_cap_has_room(
    spans: list[Span], cap: int
) -> None:
    planned = schedule(spans, today=TODAY, cap=cap, taken={})

    late = [span for span in spans if planned[span.id] > max(span.wanted, TODAY)]
    if has_room(spans, cap):
        assert late == []
    # And where there is no room, all are requested before the band ends.
    assert all(planned[span.id] <= max(span.emergency, TODAY) for span in late)


@given(an_estate(), CAPS)
def test_the_cap_is_kept_but_for_the_emergency_band(spans: list[Span], cap: int) -> None:
    planned = schedule(spans, today=TODAY, cap=cap, taken={})

    calm = Counter(
        planned[span.id] for span in spans if planned[span.id] < max(span.emergency, TODAY)
    )
    assert all(count <= cap for count in calm.values())


@given(an_estate(), CAPS, st.randoms(use_true_random=False))
def test_another_machine_and_another_run_plan_the_same(
    spans: list[Span], cap: int, chance: random.Random
) -> None:
    other = list(spans)
    chance.shuffle(other)

    assert schedule(spans, today=TODAY, cap=cap, taken={}) == schedule(
        other, today=TODAY, cap=cap, taken={}
    )


@given(an_estate(), CAPS)
def test_tomorrow_those_that_are_left_have_the_same_day(spans: list[Span], cap: int) -> None:
    planned = schedule(spans, today=TODAY, cap=cap, taken={})
    tomorrow = TODAY + timedelta(days=1)
    left = [span for span in spans if planned[span.id] > TODAY]
    if not has_room(spans, cap):
        return

    again = schedule(left, today=tomorrow, cap=cap, taken={})

    assert again == {span.id: planned[span.id] for span in left}


@given(an_estate(), CAPS, st.integers(0, 12))
def test_what_a_day_has_already_counts(spans: list[Span], cap: int, before: int) -> None:
    planned = schedule(spans, today=TODAY, cap=cap, taken={TODAY: before})

    calm = [span for span in spans if span.emergency > TODAY and planned[span.id] == TODAY]
    assert len(calm) <= max(0, cap - before)


def test_a_full_day_pulls_work_earlier() -> None:
    spans = [a_span(number, age=20) for number in range(30)]

    planned = schedule(spans, today=TODAY, cap=4, taken={})

    assert max(Counter(planned.values()).values()) == 4
    assert all(planned[span.id] <= span.wanted for span in spans)
    assert min(planned.values()) < min(span.target for span in spans)


def test_in_the_emergency_band_no_cap_counts() -> None:
    spans = [a_span(number, age=45) for number in range(30)]

    assert Counter(schedule(spans, today=TODAY, cap=1, taken={}).values()) == {TODAY: 30}


def test_a_cap_that_nobody_named_is_twice_the_even_load() -> None:
    thousand = [a_span(number) for number in range(1000)]

    assert usual_cap(thousand) == 64
    assert usual_cap([]) == 20
