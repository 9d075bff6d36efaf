"""The projection of a row: a document whose fields are the JSON keys, with the values for users beside them."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationInfo

T = TypeVar("T")

# Seconds of a day.
DAY = 86_400


def instant(moment: datetime | None) -> str | None:
    """Format a time as ISO 8601 in UTC, with Z."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def minute(moment: datetime | date | None) -> str | None:
    """Format a time for users, in UTC: `2026-11-23 12:00`; a date as `2026-11-23`."""
    if isinstance(moment, datetime):
        return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
    return None if moment is None else moment.isoformat()


def second(moment: datetime | None) -> str | None:
    """Format a time for users, in UTC, with seconds: `2026-11-23 12:00:07`."""
    return None if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def distance(moment: datetime | date, now: datetime | None = None) -> str:
    """Return how far away a time is, for users: `in 5 days`, `in 3 h`, `2 days ago`, `today` for a date."""
    now = now or datetime.now(UTC)
    if isinstance(moment, datetime):
        seconds = (moment - now).total_seconds()
        if abs(seconds) < DAY:
            span = _short_span(abs(seconds))
            return f"in {span}" if seconds >= 0 else f"{span} ago"
        # Whole days that are left, or over: a certificate with 5 days and 23 hours has 5 days.
        days = int(seconds / DAY)
    else:
        days = (moment - now.date()).days
        if days == 0:
            return "today"
    span = f"{abs(days):,} day{'' if abs(days) == 1 else 's'}"
    return f"in {span}" if days > 0 else f"{span} ago"


def _short_span(seconds: float) -> str:
    return f"{seconds / 3600:.0f} h" if seconds >= 5400 else f"{seconds / 60:.0f} min"


def minute_and_distance(moment: datetime | date | None) -> str | None:
    """Format a time and how far away it is: `2026-11-28 12:00, in 5 days`."""
    return None if moment is None else f"{minute(moment)}, {distance(moment)}"


def day_and_distance(moment: datetime | None) -> str | None:
    """Format a day, in UTC, and how far away its time is: `2026-11-28, in 5 days`."""
    return None if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d}, {distance(moment)}"


def _account_name(account_id: int | None, info: ValidationInfo) -> str | None:
    return None if account_id is None else (info.context or {})[account_id]


# A time, which the JSON document has as ISO 8601 in UTC.
Instant = Annotated[datetime, PlainSerializer(instant)]
# A value that the detail view or a list shows, and the JSON document does not have.
ForUsers = Annotated[T, Field(exclude=True)]
# The name of the account whose id the row has.
AccountName = Annotated[str | None, BeforeValidator(_account_name)]


class Document(BaseModel):
    """The projection of a row. Its fields, in their order, are the keys of the JSON document."""

    # defer_build: a command uses two or three of these classes, and building them all takes 20 ms.
    model_config = ConfigDict(from_attributes=True, frozen=True, defer_build=True)

    @classmethod
    def of(cls, row: object, accounts: Mapping[int, str] | None = None) -> Self:
        """Return the document of a row; `accounts`: account names by id, for fields of type AccountName."""
        return cls.model_validate(row, context=accounts)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON document."""
        return self.model_dump(mode="json")
