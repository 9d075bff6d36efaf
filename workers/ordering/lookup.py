"""Search SCM for an order whose outcome is unknown: in the certificate list, the report and the records.

All calls are reads; nothing at SCM is changed.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from certline.models import Order, OrderKind
from certline.models.orders.reconciliation import Candidate, Match, Sighting
from certline.workers.keys import chain as chains
from certline.workers.keys.errors import ChainError
from certline.workers.ordering.reference import (
    ANY_REFERENCE,
    reference_in_comment,
    sent_comment,
)
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

# Tolerance when comparing days: SCM documents no time zone for its dates (SCM document: dates).
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Lost:
    """An order with an unknown outcome, and the facts that distinguish it from other orders at SCM.

    `predecessor`: sslId of the certificate that the order renews or reissues. `rivals`: sslIds that belong
    to other orders. `newer`: (sslId, common name) of orders sent later; if SCM's list shows one of them, the
    list is current. `siblings`: sslIds of other successors of the same certificate. `reissued_on`: the day
    on which another reissue of it was sent. A mark on the predecessor's record may be due to either of them.
    """

    order: Order
    predecessor: int | None
    rivals: Collection[int]
    newer: Sequence[tuple[int, str]]
    siblings: Collection[int] = ()
    reissued_on: date | None = None

    @property
    def sent_on(self) -> date:
        """Day of the call to SCM, in UTC."""
        return (self.order.sent_at or datetime.now(UTC)).astimezone(UTC).date()

    def is_since(self, day: date | None) -> bool:
        """Return True if a day given by SCM may be the day of the call or later, or is unknown."""
        return day is None or day >= self.sent_on - DAY


def look(scm: ScmClient, lost: Lost) -> Sighting:
    """Search SCM for an order, and return the candidates with the evidence for and against each.

    Raises ScmError if SCM can't be read; a report that SCM refuses is only noted in the remarks.
    """
    order = lost.order
    if order.kind is OrderKind.REISSUE:
        return _look_at_record(scm, lost)
    old = scm.details(lost.predecessor or 0) if order.kind is OrderKind.RENEWAL else None
    # The list can't be filtered by comment or date (SCM document 25.5, `GET /ssl/v1`), so every record
    # of the same name is read, and our reference, public key, names and day decide.
    listed = scm.certificates(
        CertificateFilter(
            common_name=order.common_name,
            org_id=order.organization_id,
            # SCM may issue a renewal under the profile that superseded the old one.
            profile_id=None if old else order.profile_id,
        )
    )
    ids = {row.ssl_id: "list" for row in listed if _same(row.common_name, lost)}
    candidates = _read(scm, lost, ids, old)
    # SCM's report can be slow, so it is requested only if the list has not settled the question.
    remarks: list[str] = []
    if not any(found.match is Match.SURE for found in candidates):
        reported = _reported(scm, lost, remarks)
        candidates += _read(scm, lost, dict.fromkeys(reported - set(ids), "report"), old)
    if old is not None:
        return _as_successor(scm, lost, old, candidates, remarks)
    return Sighting(candidates, _witness(scm, lost), remarks=remarks)


def _reported(scm: ScmClient, lost: Lost, remarks: list[str]) -> set[int]:
    """Return the sslIds of that name requested around the day of the call, as SCM's report shows them."""
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
    except Refused as refusal:  # an account may lack the privilege; the list must then suffice
        remarks.append(f"SCM refused the report: {refusal}")
        return set()
    return {row.ssl_id for row in rows if _same(row.common_name, lost)}


def _read(scm: ScmClient, lost: Lost, ids: dict[int, str], old: Details | None) -> list[Candidate]:
    candidates = []
    for number in sorted(set(ids) - set(lost.rivals)):
        if lost.predecessor is not None and number <= lost.predecessor:
            continue  # a successor has a higher id (SCM document: renewById returns a new one)
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
    """Compare a record with the order. `old` is the record of the certificate that the order renews."""
    order = lost.order
    reference = reference_in_comment(order)
    if reference in record.comments:
        return Match.SURE, "its comment has our reference"
    # The renewal call takes no comment, and the new record may inherit that of the old one: a reference
    # inherited in this way does not speak against the record.
    inherited = ANY_REFERENCE.findall(old.comments) if old else []
    if not set(ANY_REFERENCE.findall(record.comments)) <= set(inherited):
        return Match.NO, "its comment has another order's reference"
    if record.org_id not in (None, order.organization_id):
        return Match.NO, f"it belongs to another organisation ({record.org_id})"
    if old is None and record.profile_id not in (None, order.profile_id):
        return Match.NO, f"it has another profile ({record.profile_id})"
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
    # It isn't documented whether SCM's filter matches parts of a name.
    return common_name.lower() == lost.order.common_name


def _same_names(record: Details, order: Order) -> bool:
    """Compare the names, ignoring a `www.` name that some profiles add automatically."""
    theirs = {name.lower() for name in (record.common_name, *record.sans) if name}
    if not record.sans:  # SCM may leave the SANs out of the record
        return order.common_name in theirs
    return _without_www(theirs) == _without_www(set(order.names))


def _without_www(names: set[str]) -> set[str]:
    return names - {f"www.{name}" for name in names}


def _by_key(scm: ScmClient, lost: Lost, number: int, why: str) -> tuple[Match, str]:
    """Compare the public key of an issued certificate with ours: it proves or excludes a match."""
    try:
        found = chains.read_certificates(scm.collect(number))
    except NotReady:
        return Match.POSSIBLE, f"{why}; its certificate can't be fetched yet"
    except ChainError as fault:
        return Match.POSSIBLE, f"{why}; its certificate can't be read: {fault}"
    if chains.has_key(found, lost.order.public_key_sha256 or ""):
        return Match.SURE, "its certificate has our public key"
    return Match.NO, "its certificate has another public key"


def _witness(scm: ScmClient, lost: Lost) -> int | None:
    """Return the sslId of a newer order of ours that SCM's list shows now, or None."""
    for number, name in lost.newer:
        if number in {row.ssl_id for row in scm.certificates(CertificateFilter(common_name=name))}:
            return number
    return None


def _as_successor(
    scm: ScmClient, lost: Lost, old: Details, candidates: list[Candidate], remarks: list[str]
) -> Sighting:
    """Weigh the `renewed` mark, which SCM sets on the predecessor's record (SCM document: details)."""
    if lost.siblings or (old.renewed and not lost.is_since(old.renewed_date)):
        # The mark may be due to another renewal of the same certificate, so it decides nothing.
        return Sighting(candidates, _witness(scm, lost), remarks=remarks)
    if not old.renewed:
        # List, report and old record agree, and a record that is read by its id does not lag as the list
        # may. Without the report, a newer order in the list has to prove that the list is current.
        agreed = not remarks
        witness = None if agreed else _witness(scm, lost)
        told = [*remarks, f"SCM says that {old.ssl_id} was not renewed"]
        return Sighting(candidates, witness, is_current=agreed, remarks=told)
    remarks = [*remarks, f"SCM says that {old.ssl_id} was renewed"]
    open_ones = [found for found in candidates if found.match is not Match.NO]
    if len(open_ones) == 1 and open_ones[0].match is Match.POSSIBLE:
        why = f"{old.ssl_id} was renewed, and this is its only successor"
        sure = replace(open_ones[0], match=Match.SURE, why=why)
        candidates = [sure if found.ssl_id == sure.ssl_id else found for found in candidates]
    # SCM did renew it, so a missing successor proves nothing: hence no witness.
    return Sighting(candidates, None, remarks=remarks)


def _look_at_record(scm: ScmClient, lost: Lost) -> Sighting:
    """Look for a reissue. It keeps its sslId: the record is marked as replaced, or its certificate has our key."""
    number = lost.predecessor or 0
    record = scm.details(number)
    match, why = _by_key(scm, lost, number, f"its status is {record.status}")
    if match is not Match.SURE:
        match, why = _by_mark(lost, record, match, why)
    facts = {"status": record.status, "common_name": record.common_name, "sans": list(record.sans)}
    return Sighting([Candidate(number, match, why, "record", facts)], is_current=True)


def _by_mark(lost: Lost, record: Details, match: Match, why: str) -> tuple[Match, str]:
    """Judge a record whose certificate doesn't have our key: SCM may be issuing it, or still show the old one."""
    if record.state.is_pending:
        return Match.SURE, f"SCM is reissuing it ({record.status})"
    if record.replaced is None or not lost.is_since(record.replaced):
        return match, why
    marked = f"SCM says that it was replaced on {record.replaced}"
    # SCM gives the day only: a replacement up to a day after another reissue may be due to that one.
    if lost.reissued_on is not None and record.replaced <= lost.reissued_on + DAY:
        return Match.POSSIBLE, f"{marked}, which may be by the reissue of {lost.reissued_on}"
    return Match.SURE, marked
