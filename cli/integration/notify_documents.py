"""Document of a route of notices; it has nothing of its URL but the scheme."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from certline.models.documents.projection import Document, made, of

if TYPE_CHECKING:
    from certline.models import NoticeRoute
    from certline.models.notices.kind import Severity


def _digest(route: NoticeRoute) -> str | None:
    return "daily" if route.digest else None


class RouteDocument(Document):
    """A route of notices, without its URL. `at_most`: messages an hour."""

    name: str
    service: str
    scheme: str
    on: list[str] = of("kinds")
    severity: Severity
    digest: str | None = made(_digest)
    at_most: int | None
    failures: int
    failing_since: datetime | None
    last_error: str | None
    told_at: datetime | None
    created_by: str
    created_at: datetime
