"""Tests of cron lines: the next due time, in zones whose clocks jump."""

from datetime import UTC, datetime, timedelta

import pytest
from croniter import CroniterError
from hypothesis import given
from hypothesis import strategies as st

from certline.models.schedule import next_after

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]
CRONS = ["* * * * *", "15 3 * * 0", "45 4 * * *", "30 2 * * *", "0 0 1 * *"]


@pytest.mark.parametrize(
    ("cron", "zone", "after", "due"),
    [
        ("15 3 * * 0", "UTC", "2026-03-02T12:00Z", "2026-03-08T03:15Z"),
        ("45 4 * * *", "UTC", "2026-03-02T04:45Z", "2026-03-03T04:45Z"),
        ("45 4 * * *", "Europe/Berlin", "2026-03-28T12:00Z", "2026-03-29T02:45Z"),
        ("45 4 * * *", "Europe/Berlin", "2026-03-27T12:00Z", "2026-03-28T03:45Z"),
        ("45 4 * * *", "Europe/Berlin", "2026-10-24T12:00Z", "2026-10-25T03:45Z"),
        ("0 0 * * *", "Asia/Kolkata", "2026-03-02T12:00Z", "2026-03-02T18:30Z"),
        ("0 9 29 2 *", "UTC", "2026-03-01T00:00Z", "2028-02-29T09:00Z"),
    ],
)
def test_a_schedule_keeps_the_time_on_the_wall(cron: str, zone: str, after: str, due: str) -> None:
    moment = datetime.fromisoformat(after)

    assert next_after(cron, zone, moment).astimezone(UTC) == datetime.fromisoformat(due)


def test_a_time_that_the_clock_jumps_over_is_not_missed() -> None:
    eve = datetime(2026, 3, 28, 12, tzinfo=UTC)

    due = next_after("30 2 * * *", "Europe/Berlin", eve)

    assert due.astimezone(UTC).date() == datetime(2026, 3, 29, tzinfo=UTC).date()


@given(
    st.sampled_from(CRONS),
    st.sampled_from(ZONES),
    st.datetimes(datetime(2025, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # hypothesis adds the zone
)
def test_the_next_time_is_always_later(cron: str, zone: str, moment: datetime) -> None:
    due = next_after(cron, zone, moment).astimezone(UTC)

    assert due > moment
    assert due - moment <= timedelta(days=32)


@pytest.mark.parametrize("cron", ["", "61 * * * *", "every day", "* * *", "0 0 31 2 *"])
def test_a_line_that_is_no_cron_line_is_refused(cron: str) -> None:
    with pytest.raises(CroniterError):
        next_after(cron, "UTC", datetime(2026, 1, 1, tzinfo=UTC))
