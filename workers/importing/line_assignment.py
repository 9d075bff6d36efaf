"""Preparation of imported orders: the status and the licence line that each of SCM's records gets."""

from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session
from ulid import ULID

from certline.models import OrderStatus
from certline.models.audit.identity import Identity
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
from certline.workers.ordering.reference import ANY_REFERENCE


@dataclass(frozen=True)
class Intake:
    """Import for which orders are stored. `only_kin`: only orders that renew one that we manage are imported;
    `recovers_since`: when a restore was noticed, if a recovery imports, and takes in what has our reference too;
    `all_new`: we stored no order of the account before this import; `begun`: when it was requested;
    `reported`: some records are taken in as SCM's report shows them.
    """

    command_id: str
    account_id: int
    account: str
    requested_by: Identity
    correlation_id: str
    begun: datetime
    organizations: Mapping[int, str]
    only_kin: bool = False
    recovers_since: datetime | None = None
    all_new: bool = False
    reported: bool = False

    def knew(self, kin: Kin) -> bool:
        """Return True if a related order was stored, on a managed line, before the import began."""
        # The first ten characters of a ULID are its time in milliseconds, and sort by it. An imported order's
        # created_at is SCM's date, so it does not tell when we stored the order.
        first = str(ULID.from_datetime(self.begun))[:10]
        return kin.line_id is not None and kin.order_id[:10] < first


@dataclass(frozen=True)
class Entry:
    """Record that becomes an order: the order's columns, its family, status and line, and the news it is.

    `makes_line`: the line was made for this lineage, so that no stored order is on it.
    """

    met: Met
    row: Mapping[str, Any]
    family: Family
    status: OrderStatus
    line_id: str | None = None
    news: News = News.NEW
    makes_line: bool = False

    @property
    def kin(self) -> Kin:
        """The order as a member of its family, not yet on a line."""
        details = self.met.details
        return Kin(self.row["id"], details.ssl_id, details.renewed)

    @property
    def has_reference(self) -> bool:
        """True if SCM's record has a reference of ours, or a renewal has inherited it."""
        return ANY_REFERENCE.search(self.met.details.comments) is not None


@dataclass(frozen=True)
class Relatives:
    """Families of records, by their sslIds, and the orders that we store of each family."""

    families: Mapping[int, Family]
    stored: Mapping[Family, list[Kin]]

    def stored_of(self, scm_id: int) -> list[Kin]:
        """Return the stored orders of a record's family."""
        family = self.families.get(scm_id)
        return [] if family is None else self.stored[family]


def entry_of(intake: Intake, met: Met, now: datetime) -> Entry:
    """Return the entry for a record, without its line. Raises UnusableRecordError."""
    details = met.details
    row = columns(details, intake.account_id, intake.organizations, now)
    status = status_of(details, now.date())
    if status is OrderStatus.ISSUED and met.fault is not None:
        status = OrderStatus.REVIEW
    # The certificate itself is exact; SCM's record has only a day.
    if met.leaf is not None and met.leaf["not_after"] <= now:
        status = OrderStatus.CANCELLED
    return Entry(met, row, family_of_record(details), status)


def in_lines(
    db: Session, intake: Intake, entries: Sequence[Entry], here: Relatives
) -> tuple[list[Entry], list[Entry]]:
    """Assign a licence line to each entry; an order that renews another shares its line, others need a free one.

    Returns (entries with a line or on hold, entries skipped because they renew nothing we manage). The latter
    is empty unless the import is `only_kin`. Locks the licence if new lines are needed.
    """
    fresh = {entry.row["id"]: entry for entry in entries}
    lines, renewing, homeless = _shared_lines(db, intake, here, fresh)
    strangers: list[Entry] = []
    if intake.only_kin:
        ours = intake.recovers_since is not None
        strangers = [
            entry
            for entry in entries
            if entry.row["id"] not in lines and not (ours and entry.has_reference)
        ]
        left_out = {entry.row["id"] for entry in strangers}
        entries = [entry for entry in entries if entry.row["id"] not in left_out]
        homeless = [ids for ids in homeless if left_out.isdisjoint(ids)]
    made: list[str] = []
    if homeless:
        # The oldest orders at SCM get the free lines first. take_lines returns fewer ids than names if the
        # licence is used up (hence strict=False); the rest is put on hold.
        homeless.sort(key=lambda ids: fresh[ids[0]].met.scm_id)
        names = [fresh[ids[0]].row["common_name"] for ids in homeless]
        made = take_lines(db, intake.account_id, names)
        for ids, line_id in zip(homeless, made, strict=False):
            lines |= dict.fromkeys(ids, line_id)
    return [_placed(entry, lines, renewing, {*made}) for entry in entries], strangers


def _shared_lines(
    db: Session, intake: Intake, here: Relatives, fresh: Mapping[str, Entry]
) -> tuple[dict[str, str], set[str], list[list[str]]]:
    """Join orders to the lines of those that they renew, and return (lines by order id, orders that renew one
    we managed before the import, lineages without a line).
    """
    new: dict[Family, list[Kin]] = {}
    for entry in fresh.values():
        new.setdefault(entry.family, []).append(entry.kin)
    lines: dict[str, str] = {}
    renewing: set[str] = set()
    homeless: list[list[str]] = []
    for family, kin in here.stored.items():
        # A run is a lineage: stored and new orders of the family that renewed one another.
        for run in runs([*kin, *new.get(family, [])]):
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
    return lines, renewing, homeless


def _placed(
    entry: Entry, lines: Mapping[str, str], renewing: Set[str], made: Set[str] = frozenset()
) -> Entry:
    if entry.status is not OrderStatus.ISSUED:
        return entry
    order_id = entry.row["id"]
    line_id = lines.get(order_id)
    status = OrderStatus.HELD
    if line_id is not None:
        status = OrderStatus.ISSUED if entry.met.leaf is None else OrderStatus.STORED
    news = News.RENEWED if order_id in renewing else News.NEW
    return replace(entry, status=status, line_id=line_id, news=news, makes_line=line_id in made)


def predecessors_to_ask(
    db: Session, intake: Intake, found: Sequence[Met], here: Relatives | None = None
) -> dict[int, int]:
    """Return the sslIds of stored orders that one of `found` may have renewed, by the sslId of the latter, without
    those whose details this import reads anyway.

    Their records have to be read again, as SCM marks only the older order as renewed, and its report doesn't.
    """
    if intake.all_new:  # all details are read, but those of what is as the report shows it
        found = [met for met in found if not met.reported] if intake.reported else []
    here = here or relatives(db, intake, found)
    doubtful = {}
    for met in found:
        older = [
            kin
            for kin in here.stored_of(met.scm_id)
            if kin.scm_id < met.scm_id and kin.line_id is not None
        ]
        newest = max(older, key=lambda kin: kin.scm_id, default=None)
        if newest is not None and not newest.renewed:
            doubtful[met.scm_id] = newest.scm_id
    asked = asked_already(db, intake.command_id, doubtful.values()) if doubtful else set()
    return {newer: older for newer, older in doubtful.items() if older not in asked}


def renewed_since(found: Sequence[Met], here: Relatives) -> set[int]:
    """Return the sslIds of those of `found` that are taken as the report shows them, but for which SCM has a later
    record: it may be their renewal, so their details have to be read.
    """
    newest: dict[Family, int] = {}
    for met in found:
        family = _family_or_none(met)
        if family is not None:
            newest[family] = max(newest.get(family, 0), met.scm_id)
    for family, kin_of in here.stored.items():
        newest[family] = max([newest.get(family, 0), *(kin.scm_id for kin in kin_of)])
    shown = [met.scm_id for met in found if met.reported and met.scm_id in here.families]
    return {scm_id for scm_id in shown if newest[here.families[scm_id]] > scm_id}


def relatives(db: Session, intake: Intake, found: Sequence[Met]) -> Relatives:
    """Return the families of the issued ones of these records, and the stored orders of each family."""
    own: dict[int, Family] = {}
    wanted = []
    for met in found:
        family = _family_or_none(met) if met.details.state.is_issued else None
        if family is not None:
            own[met.scm_id] = family
            wanted.append((names_of(met.details)[0], family))
    return Relatives(own, families(db, intake.account_id, wanted) if wanted else {})


def _family_or_none(met: Met) -> Family | None:
    with suppress(UnusableRecordError):
        return family_of_record(met.details)
    return None
