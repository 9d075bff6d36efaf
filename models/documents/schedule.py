"""Document of a schedule."""

from __future__ import annotations

from datetime import datetime

from certline.models.documents.projection import Document, of


class ScheduleDocument(Document):
    """A schedule; `last_fired_at` is given beside the row, and else None."""

    name: str
    cron: str
    tz: str
    enabled: bool
    next_due: datetime
    last_fired_at: datetime | None = of(default=None)
