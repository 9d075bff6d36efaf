"""How long a domain's validation may be reused (CA/Browser Forum, ballot SC-081v3; BR 4.2.1)."""

from datetime import UTC, datetime, timedelta

from certline.simulator.settings import SimSettings

# From these times on, a validation may be at most so many days old when a certificate is issued.
SCHEDULE = (
    (datetime.min.replace(tzinfo=UTC), 398),
    (datetime(2026, 3, 15, tzinfo=UTC), 200),
    (datetime(2027, 3, 15, tzinfo=UTC), 100),
    (datetime(2029, 3, 15, tzinfo=UTC), 10),
)


def end_of(validated_at: datetime, settings: SimSettings) -> datetime:
    """Return when a validation ends: its age counts on the day of an order, so a new limit ends older ones too.

    `dcv_days` replaces the schedule; `dcv_margin_days` are those by which SCM stays below it.
    """
    if settings.dcv_days:
        return validated_at + timedelta(days=settings.dcv_days)
    later = [start for start, _ in SCHEDULE[1:]]
    for (start, days), next_start in zip(SCHEDULE, [*later, None], strict=True):
        if next_start is not None and next_start <= validated_at:
            continue
        age = timedelta(days=max(1, days - settings.dcv_margin_days))
        end = max(start, validated_at + age)  # at once, if a new limit finds it too old
        if next_start is None or end <= next_start:
            return end
    raise AssertionError("the last limit has no end")
