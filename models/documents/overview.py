"""Documents of the overview, and of a running process as it tells by its heartbeat."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from certline.models.documents.projection import Document, instant, made, of

if TYPE_CHECKING:
    from certline.models.overview.snapshot import Snapshot


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


def document_of(found: Snapshot) -> dict[str, object]:
    """Return the document of a snapshot."""
    from certline.models.overview.advice import command_of, text_of

    day, use = found.day.renewals, found.license
    parts = [PartDocument.of(row) for row in found.running]
    parts += [PartDocument.of(row, stale=True) for row in found.stale]
    return {
        "at": instant(found.at),
        "queues": [
            {
                "queue": each.queue.value,
                "due": each.due,
                "running": each.running,
                "oldest_seconds": _tenth(each.oldest_seconds),
            }
            for each in found.backlog.queues
        ],
        "queues_whole": found.backlog.whole,
        "outbox": {
            "due": found.outbox.due,
            "oldest_seconds": _tenth(found.outbox.oldest_seconds),
            "parked": found.outbox.parked,
        },
        "scm": {
            "calls_per_second": _hundredth(found.traffic.calls_per_second),
            "errors_per_second": _hundredth(found.traffic.errors_per_second),
        },
        "renewals_day": {
            "at": instant(found.day.at),
            "due": day.due,
            "done": day.done,
            "under_way": day.under_way,
            "failed": day.failed,
            "review": day.review,
            "refused": day.refused,
            "refused_in_batches": day.refused_in_batches,
            "held": day.held,
        },
        "orders": [
            {
                "status": each.status.value,
                "count": each.count,
                "oldest_seconds": _tenth(each.oldest_seconds),
            }
            for each in found.orders
        ],
        "license": {
            "capacity": use.capacity,
            "used": use.used,
            "held": use.held,
            "available": use.available,
            "valid_until": None if use.valid_until is None else use.valid_until.isoformat(),
            "days_left": use.days_left,
        },
        "accounts": [
            {"name": row.name, "status": row.status.value, "status_reason": row.status_reason}
            for row in found.accounts
        ],
        "breakers": [
            {"scm": row.url, "open_until": instant(row.open_until), "reason": row.reason}
            for row in found.breakers
        ],
        "parts": parts,
        "waiting": [
            {
                "kind": matter.kind.value,
                "count": matter.count,
                "text": text_of(matter),
                "command": command_of(matter),
            }
            for matter in found.matters
        ],
    }


def _tenth(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _hundredth(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 2)
