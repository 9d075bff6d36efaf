"""Figures of a drill, and the table that it prints."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from certline.models import Command, Recovery
from certline.models.restore.recovery import RECOVERY_SOURCE, recovery_of

# What the recovery's `result` counts, with the words for it.
FOUND = {
    "orders_found": "found at SCM",
    "renewals": "of these renewals",
    "reissues": "of these reissues",
    "keys_lost": "without a key now",
    "looked_up": "still being looked up",
    "to_decide": "for a person to decide",
}


@dataclass(frozen=True)
class Times:
    """Moments of a drill. `last_commit`: the last one before the disaster; `known`: the last one restored."""

    last_commit: datetime
    known: datetime
    begun: datetime
    restored: datetime
    started: datetime
    announced: datetime
    compared_from: datetime
    compared: datetime
    ended: datetime

    @property
    def lost(self) -> float:
        """Seconds of commits that are lost (RPO)."""
        return (self.last_commit - self.known).total_seconds()

    def phases(self) -> dict[str, float]:
        """Return the seconds of each phase between the beginning of the restore and the first order (RTO)."""
        return {
            "restore the database": _seconds(self.begun, self.restored),
            "start the parts": _seconds(self.started, self.announced),
            "settle": _seconds(self.announced, self.compared_from),
            "compare SCM": _seconds(self.compared_from, self.compared),
            "collect what was found": _seconds(self.compared, self.ended),
        }


@dataclass(frozen=True)
class DrillFigures:
    """Result of a drill. `lost`: certificates that were not in the backup; `calls`: to SCM by operation, during
    the recovery; `asked_ahead`: calls of `--dry-run` before it; `faults`: what the check has found.
    """

    way: str
    certificates: int
    lost: int
    times: Times
    found: dict[str, int]
    calls: Counter[str]
    asked_ahead: int
    faults: list[str]

    @property
    def recovery_seconds(self) -> float:
        """Seconds from the beginning of the restore until orders go on (RTO)."""
        return sum(self.times.phases().values())


def times_of(
    db: Session, settle: timedelta, last_commit: datetime, operator: tuple[datetime, ...]
) -> Times:
    """Return the moments of a recovery that has ended. `operator`: when the operator began the restore, had the
    database restored, and started the parts.
    """
    row = recovery_of(db)
    imports = select(func.min(Command.created_at), func.max(Command.finished_at))
    mine = Command.source == RECOVERY_SOURCE, Command.created_at >= row.noticed_at
    first, last = db.execute(imports.where(*mine)).one()
    begun, restored, started = operator
    return Times(
        last_commit,
        _known(row),
        begun,
        restored,
        started,
        announced=_stored(row.compares_at) - settle,
        compared_from=_stored(first),
        compared=_stored(last),
        ended=_stored(row.settled_at),
    )


def table(found: DrillFigures) -> str:
    """Return the figures for people."""
    lines = [f"{found.certificates:,} certificates, {found.way}", ""]
    lost = f"{found.lost:,} certificates"
    lines.append(_line("RPO: commits lost", f"{found.times.lost:.1f} s", lost))
    lines.append(_line("RTO: until orders go on", f"{found.recovery_seconds:.1f} s"))
    lines += [_line(f"  {what}", f"{each:.1f} s") for what, each in found.times.phases().items()]
    lines.append(_line("calls to SCM", f"{found.calls.total():,}"))
    lines += [_line(f"  {name}", f"{count:,}") for name, count in found.calls.most_common()]
    lines.append(_line("calls of --dry-run before", f"{found.asked_ahead:,}"))
    lines += [_line(words, f"{found.found[name]:,}") for name, words in FOUND.items()]
    lines += [
        "",
        *(found.faults or ["Nothing was ordered twice; each certificate is here, or named."]),
    ]
    return "\n".join(lines)


def _line(what: str, figure: str, remark: str = "") -> str:
    return f"{what:<48} {figure:>12}  {remark}".rstrip()


def _seconds(first: datetime, last: datetime) -> float:
    return max(0.0, (last - first).total_seconds())


def _known(row: Recovery) -> datetime:
    return _stored(row.known_until)


def _stored(moment: datetime | None) -> datetime:
    assert moment is not None, "the recovery has not ended"
    return moment
