"""Orders of SCM's on their way in: what each is to become, and which line it belongs to."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session
from ulid import ULID

from certline.models import OrderStatus
from certline.models.certificates.license import take_lines
from certline.models.certificates.lineage import Family, Kin, families, join_lines, runs
from certline.models.imports.record import News, asked_already
from certline.workers.importing.record_mapping import (
    Met,
    UnusableRecordError,
    columns,
    family_of_record,
    names_of,
    status_of,
)


@dataclass(frozen=True)
class Intake:
    """For which import orders are taken in. `only_kin`: only those that renew what is here;
    `all_new`: nothing of the account was here before it.
    """

    command_id: str
    account_id: int
    account: str
    requested_by: str
    correlation_id: str
    begun: datetime
    organizations: Mapping[int, str]
    only_kin: bool = False
    all_new: bool = False

    def knew(self, kin: Kin) -> bool:
        """Whether an order with a line was here before the import: ids sort by time."""
        first = str(ULID.from_datetime(self.begun))[:10]
        return kin.line_id is not None and kin.order_id[:10] < first


@dataclass(frozen=True)
class Entry:
    """A record that becomes an order: its columns, its family, and what happens to it."""

    met: Met
    row: Mapping[str, Any]
    family: Family
    status: OrderStatus
    line_id: str | None = None
    news: News = News.NEW

    @property
    def kin(self) -> Kin:
        """It as one of its family."""
        details = self.met.details
        return Kin(self.row["id"], details.ssl_id, details.renewed)


def entry_of(intake: Intake, met: Met, now: datetime) -> Entry:
    """What a record becomes, but for its line. Raises UnusableRecordError."""
    details = met.details
    row = columns(details, intake.account_id, intake.organizations, now)
    status = status_of(details, now.date())
    if status is OrderStatus.ISSUED and met.fault is not None:
        status = OrderStatus.REVIEW
    if met.leaf is not None and met.leaf["not_after"] <= now:
        status = OrderStatus.CANCELLED
    return Entry(met, row, family_of_record(details), status)


def in_lines(
    db: Session, intake: Intake, entries: Sequence[Entry]
) -> tuple[list[Entry], list[Entry]]:
    """Each with its line, or held; and those that are no kin of what is here, where only kin are
    wanted. What renews another shares its line; the others need room.
    """
    issued = [entry for entry in entries if entry.status is OrderStatus.ISSUED]
    wanted = [(entry.row["common_name"], entry.family) for entry in issued]
    here = families(db, intake.account_id, wanted) if issued else {}
    fresh = {entry.row["id"]: entry for entry in entries}
    lines: dict[str, str] = {}
    renewing: set[str] = set()
    homeless: list[list[str]] = []
    for family, kin in here.items():
        whole = [*kin, *(entry.kin for entry in entries if entry.family == family)]
        for run in runs(whole):
            ids = [
                each.order_id
                for each in run
                if each.order_id in fresh and fresh[each.order_id].status is OrderStatus.ISSUED
            ]
            line_id = join_lines(db, run) if ids else None
            if line_id is not None:
                lines |= dict.fromkeys(ids, line_id)
                if any(intake.knew(each) for each in run):
                    renewing |= set(ids)
            elif ids:
                homeless.append(ids)
    if intake.only_kin:
        return (
            [_placed(entry, lines, renewing) for entry in entries if entry.row["id"] in lines],
            [entry for entry in entries if entry.row["id"] not in lines],
        )
    if homeless:
        homeless.sort(key=lambda ids: fresh[ids[0]].met.scm_id)
        names = [fresh[ids[0]].row["common_name"] for ids in homeless]
        for ids, line_id in zip(homeless, take_lines(db, intake.account_id, names), strict=False):
            lines |= dict.fromkeys(ids, line_id)
    return [_placed(entry, lines, renewing) for entry in entries], []


def _placed(entry: Entry, lines: Mapping[str, str], renewing: set[str]) -> Entry:
    if entry.status is not OrderStatus.ISSUED:
        return entry
    order_id = entry.row["id"]
    line_id = lines.get(order_id)
    status = OrderStatus.HELD
    if line_id is not None:
        status = OrderStatus.ISSUED if entry.met.leaf is None else OrderStatus.STORED
    news = News.RENEWED if order_id in renewing else News.NEW
    return replace(entry, status=status, line_id=line_id, news=news)


def predecessors_to_ask(db: Session, intake: Intake, found: Sequence[Met]) -> list[int]:
    """The sslIds of orders that are here, and that one of these may have renewed: those that this
    import has not asked for. SCM says of the older one that it was renewed.
    """
    family: dict[int, tuple[str, Family]] = {}
    for met in found:
        with suppress(UnusableRecordError):
            if met.details.state.is_issued:
                family[met.scm_id] = names_of(met.details)[0], family_of_record(met.details)
    here = families(db, intake.account_id, list(family.values())) if family else {}
    doubtful = set()
    for scm_id, (_, own) in family.items():
        older = [kin for kin in here[own] if kin.scm_id < scm_id and kin.line_id is not None]
        if older and not max(older, key=lambda kin: kin.scm_id).renewed:
            doubtful.add(max(kin.scm_id for kin in older))
    return sorted(doubtful - asked_already(db, intake.command_id, doubtful)) if doubtful else []
