"""Document of a running process, as it tells by its heartbeat."""

from __future__ import annotations

from datetime import datetime

from certline.cli.ui.projection import Document, made, of


def _rate(count: int, seconds: float) -> float | None:
    return round(count / seconds, 2) if seconds > 0 else None


class PartDocument(Document):
    """A process of a part; the rates of its calls to SCM are null until it has told any."""

    part: str
    host: str
    pid: int
    version: str
    queues: list[str]
    keys: list[str]
    since: datetime
    seen_at: datetime
    stale: bool = of(default=False)
    fault: str | None
    scm_calls_per_second: float | None = made(lambda row: _rate(row.scm_calls, row.scm_seconds))
    scm_errors_per_second: float | None = made(lambda row: _rate(row.scm_errors, row.scm_seconds))
