"""Documents of the licence."""

from __future__ import annotations

from datetime import date, datetime

from certline.models.documents.projection import Document, made, of


class LicenseDocument(Document):
    """The licence's capacity and use."""

    capacity: int
    used: int
    held: int
    available: int
    valid_until: date | None
    days_left: int | None


class OutlookDocument(Document):
    """The licence's capacity and use, and when it runs out."""

    capacity: int = of("use", "capacity")
    used: int = of("use", "used")
    held: int = of("use", "held")
    available: int = of("use", "available")
    valid_until: date | None = of("use", "valid_until")
    days_left: int | None = of("use", "days_left")
    in_flight: int
    new_orders_per_day: float = made(lambda row: round(row.per_day, 2))
    runs_out_at: datetime | None
