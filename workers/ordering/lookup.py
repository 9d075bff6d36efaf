"""What SCM shows of an order whose outcome is unknown: in its list, in its report, by its records.

SCM's list can't be filtered by comments or dates (SCM document 25.5, `GET /ssl/v1`), so each record
of the same name is read, and our reference, our public key, names and day decide. Nothing here changes
anything at SCM.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from certline.models import Order, OrderKind
from certline.models.orders.reconciliation import Candidate, Match, Sighting
from certline.workers.keys import chain as chains
from certline.workers.ordering.placement import reference_in_comment, sent_comment
from certline.workers.scm import (
    CertificateFilter,
    Details,
    NotFound,
    NotReady,
    Refused,
    ReportDate,
    ReportQuery,
    RequestSource,
    ScmClient,
    TryAgain,
)

# SCM's days have no documented zone (SCM document: dates), so one on each side counts too.
DAY = timedelta(days=1)
ANY_REFERENCE = re.compile(r"\[certline:\w+\]")


@dataclass(frozen=True)
class Lost:
    """What is looked for: the order, the sslId it succeeds, sslIds that belong to others, and newer
    orders (sslId, common name), any of which proves the list current.

    `siblings` are other successors of the same certificate, and `reissued_on` is when another reissue
    of it was sent: what SCM marks on its record may be theirs.
    """

    order: Order
    predecessor: int | None
    rivals: Collection[int]
    newer: Sequence[tuple[int, str]]
    siblings: Collection[int] = ()
    reissued_on: date | None = None

    @property
    def sent_on(self) -> date:
        """The day of the call, UTC."""
        return (self.order.sent_at or datetime.now(UTC)).astimezone(UTC).date()

    def is_since(self, day: date | None) -> bool:
        """Whether a day of SCM's can be the day of the call, or a later one."""
        return day is None or day >= self.sent_on - DAY


def look(scm: ScmClient, lost: Lost) -> Sighting:
    """Look for an order at SCM. Raises ScmError."""
    order = lost.order
    if order.kind is OrderKind.REISSUE:
        return _look_at_record(scm, lost)
    old = scm.details(lost.predecessor or 0) if order.kind is OrderKind.RENEWAL else None
    listed = scm.certificates(
        CertificateFilter(
            common_name=order.common_name,
            org_id=order.organization_id,
            # A renewal may come under the profile that superseded the old one.
            profile_id=None if old else order.profile_id,
        )
    )
    ids = {row.ssl_id: "list" for row in listed if _same(row.common_name, lost)}
    candidates = _read(scm, lost, ids, old)
    remarks: list[str] = []
    if not any(found.match is Match.SURE for found in candidates):
        reported = _reported(scm, lost, remarks)
        candidates += _read(scm, lost, dict.fromkeys(reported - set(ids), "report"), old)
    if old is not None:
        return _as_successor(scm, lost, old, candidates, remarks)
    return Sighting(candidates, _witness(scm, lost), remarks=remarks)


def _reported(scm: ScmClient, lost: Lost, remarks: list[str]) -> set[int]:
    """The second source: the sslIds of that name that were asked for around the day of the call."""
    query = ReportQuery(
        start=lost.sent_on - DAY,
        end=lost.sent_on + 2 * DAY,
        about=ReportDate.REQUEST,
        organization_ids=(lost.order.organization_id,),
        common_name=lost.order.common_name,
        source=RequestSource.REST,
    )
    try:
        rows = scm.ssl_report(query)
    except TryAgain:
        raise
    except Refused as refusal:  # an account may lack the privilege; the list alone has to do
        remarks.append(f"SCM gives no report: {refusal}")
        return set()
    return {row.ssl_id for row in rows if _same(row.common_name, lost)}


def _read(scm: ScmClient, lost: Lost, ids: dict[int, str], old: Details | None) -> list[Candidate]:
    candidates = []
    for number in sorted(set(ids) - set(lost.rivals)):
        if lost.predecessor is not None and number <= lost.predecessor:
            continue  # a successor has a newer id (SCM document: renewById answers a new one)
        try:
            record = scm.details(number)
        except NotFound:
            continue
        candidates.append(_candidate(scm, lost, record, old, ids[number]))
    return candidates


def _candidate(
    scm: ScmClient, lost: Lost, record: Details, old: Details | None, source: str
) -> Candidate:
    match, why = _by_record(lost, record, old)
    if match is Match.POSSIBLE and record.state.is_issued:
        match, why = _by_key(scm, lost, record.ssl_id, why)
    facts = {
        "status": record.status,
        "common_name": record.common_name,
        "sans": list(record.sans),
        "comments": record.comments,
        "requested": None if record.requested is None else record.requested.isoformat(),
        "requester": record.requester,
    }
    return Candidate(record.ssl_id, match, why, source, facts)


def _by_record(lost: Lost, record: Details, old: Details | None) -> tuple[Match, str]:
    """What a record says of itself; `old` is that of the certificate which is renewed."""
    order = lost.order
    reference = reference_in_comment(order)
    if reference in record.comments:
        return Match.SURE, "its comment has our reference"
    # We can't comment on a renewal, and it may inherit the old record's comment.
    inherited = ANY_REFERENCE.findall(old.comments) if old else []
    if not set(ANY_REFERENCE.findall(record.comments)) <= set(inherited):
        return Match.NO, "its comment has another order's reference"
    if record.org_id not in (None, order.organization_id):
        return Match.NO, f"it is of another organisation ({record.org_id})"
    if old is None and record.profile_id not in (None, order.profile_id):
        return Match.NO, f"it is of another profile ({record.profile_id})"
    if not _same_names(record, order):
        return Match.NO, "its names differ"
    if not lost.is_since(record.requested):
        return Match.NO, f"it is older: requested on {record.requested}"
    if old is None and reference in sent_comment(order):
        return (
            Match.POSSIBLE,
            "same names, organisation, profile and day, but without our reference",
        )
    same = "names and organisation" if old else "names, organisation, profile"
    return Match.POSSIBLE, f"same {same} and day"


def _same(common_name: str, lost: Lost) -> bool:
    # Whether SCM's filter takes a part of a name isn't documented.
    return common_name.lower() == lost.order.common_name


def _same_names(record: Details, order: Order) -> bool:
    """Equal, but for a `www.` that some profiles add by themselves."""
    theirs = {name.lower() for name in (record.common_name, *record.sans) if name}
    if not record.sans:  # an answer may leave them out
        return order.common_name in theirs
    return _without_www(theirs) == _without_www(set(order.names))


def _without_www(names: set[str]) -> set[str]:
    return names - {f"www.{name}" for name in names}


def _by_key(scm: ScmClient, lost: Lost, number: int, why: str) -> tuple[Match, str]:
    """An issued certificate says whose it is."""
    try:
        found = chains.read_certificates(scm.collect(number))
    except NotReady:
        return Match.POSSIBLE, f"{why}; its certificate can't be fetched yet"
    except chains.ChainError as fault:
        return Match.POSSIBLE, f"{why}; its certificate can't be read: {fault}"
    if chains.has_key(found, lost.order.public_key_sha256 or ""):
        return Match.SURE, "its certificate has our public key"
    return Match.NO, "its certificate has another public key"


def _witness(scm: ScmClient, lost: Lost) -> int | None:
    """The sslId of a newer order of ours that SCM's list shows now."""
    for number, name in lost.newer:
        if number in {row.ssl_id for row in scm.certificates(CertificateFilter(common_name=name))}:
            return number
    return None


def _as_successor(
    scm: ScmClient, lost: Lost, old: Details, candidates: list[Candidate], remarks: list[str]
) -> Sighting:
    """A renewal also leaves its mark on the old record: `renewed` (SCM document: details)."""
    if lost.siblings or (old.renewed and not lost.is_since(old.renewed_date)):
        # The mark may be another's.
        return Sighting(candidates, _witness(scm, lost), remarks=remarks)
    if not old.renewed:
        # Three sources say so, and a record that is read by its id does not lag as a list may. Where
        # the report is not to be had, the list has to prove itself.
        agreed = not remarks
        witness = None if agreed else _witness(scm, lost)
        told = [*remarks, f"SCM says that {old.ssl_id} was not renewed"]
        return Sighting(candidates, witness, is_current=agreed, remarks=told)
    remarks = [*remarks, f"SCM says that {old.ssl_id} was renewed"]
    open_ones = [found for found in candidates if found.match is not Match.NO]
    if len(open_ones) == 1 and open_ones[0].match is Match.POSSIBLE:
        why = f"{old.ssl_id} was renewed, and this is its one successor"
        sure = replace(open_ones[0], match=Match.SURE, why=why)
        candidates = [sure if found.ssl_id == sure.ssl_id else found for found in candidates]
    # It was renewed: that no successor is shown proves nothing.
    return Sighting(candidates, None, remarks=remarks)


def _look_at_record(scm: ScmClient, lost: Lost) -> Sighting:
    """A reissue keeps its sslId: the record says `replaced`, or its certificate has our key."""
    number = lost.predecessor or 0
    record = scm.details(number)
    match, why = _by_key(scm, lost, number, f"its status is {record.status}")
    if match is not Match.SURE:
        match, why = _by_mark(lost, record, match, why)
    facts = {"status": record.status, "common_name": record.common_name, "sans": list(record.sans)}
    return Sighting([Candidate(number, match, why, "record", facts)], is_current=True)


def _by_mark(lost: Lost, record: Details, match: Match, why: str) -> tuple[Match, str]:
    """What a record says while its certificate isn't ours: it is being made, or SCM shows the old one."""
    if record.state.is_pending:
        return Match.SURE, f"SCM is making it anew ({record.status})"
    if record.replaced is None or not lost.is_since(record.replaced):
        return match, why
    marked = f"SCM says that it was replaced on {record.replaced}"
    # Days are all that SCM tells.
    if lost.reissued_on is not None and record.replaced <= lost.reissued_on + DAY:
        return Match.POSSIBLE, f"{marked}, which may be by the reissue of {lost.reissued_on}"
    return Match.SURE, marked
