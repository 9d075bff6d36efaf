"""Progress and outcome of an import, in a few words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from certline.models.documents.command import CommandDocument

if TYPE_CHECKING:
    from certline.models import Command
    from certline.models.imports.record import RecordStatus

# Seconds: a longer estimate (a month) says only that SCM's total is nonsense.
LONGEST = 30 * 86_400


def import_progress(command: Command | CommandDocument, now: datetime | None = None) -> str:
    """Return the progress, such as `4,200 of 10,000, 310 held, 2 failed; 180 a second, 32 s left`."""
    from certline.models.imports.record import RecordStatus

    result = command.result or {}
    if "waiting" not in result:
        return command.status.value
    waiting = result[RecordStatus.WAITING]
    # SCM may list more records than its total said, if orders are added meanwhile.
    text = f"{result['listed'] - waiting:,} of {max(result['total'] or 0, result['listed']):,}"
    for status in (RecordStatus.HELD, RecordStatus.FAILED):
        if result[status]:
            text += f", {result[status]:,} {status}"
    done = sum(result[status] for status in _taken())
    seconds = _seconds(command, now or datetime.now(UTC))
    if done and seconds > 1:
        rate = done / seconds
        text += f"; {rate:.3g} a second"
        text += _left(waiting + _unlisted(result, waiting + done), rate)
    if result["listing"]:
        text += ", and the list is being read"
    return text


def _taken() -> tuple[RecordStatus, ...]:
    """Return the statuses of records that were requested from SCM, and for which nothing is left to do."""
    from certline.models.imports.record import RecordStatus

    return (
        *(RecordStatus.STORED, RecordStatus.HELD, RecordStatus.PENDING, RecordStatus.CLOSED),
        *(RecordStatus.UPDATED, RecordStatus.LEFT, RecordStatus.FAILED),
    )


def _unlisted(result: Mapping[str, Any], requested: int) -> float:
    """Return how many records that SCM has not listed yet are probably to be requested.

    As many of them as of those listed so far: records that are stored already cost no call.
    """
    if not result["listing"]:
        return 0.0
    rest = max(0, (result["total"] or 0) - result["listed"])
    return float(rest * requested / max(1, result["listed"]))


def _left(records: float, rate: float) -> str:
    """Return the time left; nothing if SCM's total cannot be true."""
    seconds = records / rate
    return f", {_span(seconds)} left" if seconds < LONGEST else ""


def import_ending(result: Mapping[str, Any]) -> str:
    """Return the counts of an import that has ended, by what became of the records."""
    from certline.models.imports.record import RecordStatus

    counts = [
        f"{result[status]:,} {status}"
        for status in (*_taken(), RecordStatus.NEW, RecordStatus.KNOWN)
        if result.get(status)
    ]
    return ", ".join(counts) or "SCM has no such order"


def _seconds(command: Command | CommandDocument, now: datetime) -> float:
    return 0.0 if command.started_at is None else (now - command.started_at).total_seconds()


def _span(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"
