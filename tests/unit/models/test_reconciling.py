"""Tests of the decision after reconciling, for every possible finding at SCM."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certline.models.orders.reconciliation import (
    MOST_LOOKS,
    Candidate,
    Choice,
    Match,
    Sighting,
    judge,
)

matches = st.sampled_from(Match)
candidates = st.builds(
    Candidate,
    ssl_id=st.integers(1, 10**8),
    match=matches,
    why=st.just("a reason"),
    source=st.sampled_from(["list", "report"]),
)
sightings = st.builds(
    Sighting,
    candidates=st.lists(candidates, max_size=4),
    witness=st.none() | st.integers(1, 10**8),
    is_current=st.booleans(),
)
looks = st.integers(0, 2 * MOST_LOOKS)


def a_record(match: Match, ssl_id: int = 7) -> Candidate:
    return Candidate(ssl_id, match, "its comment has our reference", "list")


@given(sightings, looks)
def test_nothing_is_sent_again_without_proof_and_a_second_look(
    sighting: Sighting, looks: int
) -> None:
    if judge(sighting, looks).choice is Choice.RESEND:
        assert looks >= 1
        assert sighting.proves_absence
        assert {found.match for found in sighting.candidates} <= {Match.NO}


@given(sightings, looks)
def test_only_the_one_that_is_surely_ours_is_adopted(sighting: Sighting, looks: int) -> None:
    verdict = judge(sighting, looks)
    sure = [found.ssl_id for found in sighting.candidates if found.match is Match.SURE]

    assert (verdict.choice is Choice.ADOPT) == (len(sure) == 1)
    assert verdict.ssl_id == (sure[0] if len(sure) == 1 else None)


@given(st.lists(sightings, min_size=MOST_LOOKS, max_size=MOST_LOOKS))
def test_looking_ends(seen: list[Sighting]) -> None:
    choices = [judge(sighting, looks).choice for looks, sighting in enumerate(seen)]

    assert set(choices) != {Choice.LOOK_AGAIN}


@given(sightings, looks)
def test_every_verdict_says_why(sighting: Sighting, looks: int) -> None:
    assert judge(sighting, looks).why


@pytest.mark.parametrize(
    ("sighting", "looks", "choice"),
    [
        (Sighting([a_record(Match.SURE)]), 0, Choice.ADOPT),
        (Sighting([a_record(Match.SURE, 7), a_record(Match.SURE, 8)]), 0, Choice.REVIEW),
        (Sighting([a_record(Match.SURE, 7), a_record(Match.POSSIBLE, 8)]), 0, Choice.ADOPT),
        (Sighting([a_record(Match.POSSIBLE)], witness=9), 0, Choice.LOOK_AGAIN),
        (Sighting([a_record(Match.POSSIBLE)], witness=9), 1, Choice.REVIEW),
        (Sighting([a_record(Match.NO)], witness=9), 0, Choice.LOOK_AGAIN),
        (Sighting([a_record(Match.NO)], witness=9), 1, Choice.RESEND),
        (Sighting(is_current=True), 1, Choice.RESEND),
        (Sighting(), 1, Choice.LOOK_AGAIN),
        (Sighting(), MOST_LOOKS - 1, Choice.REVIEW),
    ],
)
def test_the_table_of_verdicts(sighting: Sighting, looks: int, choice: Choice) -> None:
    assert judge(sighting, looks).choice is choice
