"""The filter for a time: a day, or a day and a time, in UTC unless it names another zone."""

from datetime import UTC, datetime

from certline.board.web.filters import UrlFilter


def moment(
    name: str, label: str, hint: str = "2026-11-28, or 2026-11-28T14:00, in UTC"
) -> UrlFilter:
    """Return a filter that takes a time."""
    return UrlFilter(name, label, read=_read, hint=hint)


def _read(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("should be a time such as 2026-11-28 or 2026-11-28T14:00") from None
