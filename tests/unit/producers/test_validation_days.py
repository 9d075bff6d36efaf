"""Tests of the day on which a domain is validated by itself, around the steps of ballot SC-081v3."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from certline.models.domains.automation import AutoValidation
from certline.producers.domains.automatic import span_of_domain
from tests.support.factories import a_domain

NOON = time(12)
SETTING = AutoValidation(account_id=1, enabled=True, days=30, cap_per_day=None)


@pytest.mark.parametrize(
    ("today", "expires", "begins_by"),
    [
        # 200 days: thirty days before its end.
        (date(2026, 5, 1), date(2026, 11, 1), date(2026, 10, 2)),
        # Made on 2027-01-10 for 200 days, of which the step of 2027-03-15 leaves 100.
        (date(2027, 2, 1), date(2027, 7, 29), date(2027, 3, 21)),
        # 10 days: a third of them before.
        (date(2029, 6, 1), date(2029, 6, 9), date(2029, 6, 5)),
    ],
)
def test_a_validation_is_renewed_before_it_can_no_longer_be_used(
    today: date, expires: date, begins_by: date
) -> None:
    now = datetime.combine(today, NOON, UTC)
    span = span_of_domain("a.example", [a_domain(validation_expires=expires)], SETTING, None, now)

    assert span is not None
    assert span.wanted == begins_by


@pytest.mark.parametrize("status", ["NOT_VALIDATED", "Not validated", None])
def test_a_domain_that_never_was_validated_is_an_emergency(status: str | None) -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    row = a_domain(validation_status=status, validation_expires=None)
    span = span_of_domain("a.example", [row], SETTING, None, now)

    assert span is not None
    assert span.emergency <= now.date()


def test_a_validation_without_an_end_is_left_alone() -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC) + timedelta(hours=1)
    row = a_domain(validation_expires=None)

    assert span_of_domain("a.example", [row], SETTING, None, now) is None
