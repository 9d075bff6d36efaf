"""Generates the history of a seeded order, up to its present status."""

import random
from datetime import datetime, timedelta

from certline.simulator.state import records as status
from certline.simulator.state.records import Issue, Record
from certline.simulator.state.scm import DAY, Scm
from certline.simulator.wire.dates import now

# One certificate in five expires within the same week, as if all of them had been ordered together.
CLIFF_SHARE = 0.2
CLIFF_BEGINS, CLIFF_DAYS = 38, 7
# Maximum number of days since an expired certificate expired.
LONGEST_GONE = 120
SCHEDULED_SHARE = 0.1
RENEWED_SHARE = 0.4
# Days before expiry at which certificates were renewed.
RENEWED_BEFORE = 20
REASONS = (0, 1, 3, 4, 5)
BEFORE_APPROVAL = {status.INIT, status.REQUESTED, status.DECLINED, status.INVALID}


def give(
    scm: Scm, record: Record, state: str, chance: random.Random, starts: datetime | None = None
) -> None:
    """Bring the record into this status, with the dates and certificate that lead to it.

    `starts` is the time of issue; by default a random one that fits the status.
    """
    record.status = state
    if state in status.WITHOUT_CERTIFICATE:
        _not_issued(scm, record, chance)
        return
    starts = starts or _beginning(record, state, chance)
    _approved(scm, record, starts)
    record.requested_at = starts
    record.issued_at = starts
    record.issue = _issue(record, starts, chance)
    if state == status.REVOKED:
        _revoked(record, record.issue, chance)
    elif state == status.REPLACED:
        record.replaced_at = _between(starts, now(), chance)
    else:
        _future(record, record.issue, chance)


def _not_issued(scm: Scm, record: Record, chance: random.Random) -> None:
    record.requested_at = now() - timedelta(seconds=chance.randrange(60, 20 * 86400))
    if record.imported:
        # An order without a certificate can't be an imported one.
        record.requested_via = "Enrollment Form"
    if record.status == status.DECLINED:
        record.declined_at = _between(record.requested_at, now(), chance)
    if record.status not in BEFORE_APPROVAL:
        # The CA never issues these: without `applied_at`, no time of issue is ever due.
        _approved(scm, record, _between(record.requested_at, now(), chance))


def _approved(scm: Scm, record: Record, moment: datetime) -> None:
    record.owner = "Auto Approve"
    record.approved_at = moment
    if record.status not in {status.APPROVED, status.SA_APPROVED}:
        record.order_number = scm.next_order_number()


def _beginning(record: Record, state: str, chance: random.Random) -> datetime:
    if state == status.EXPIRED:
        left = -chance.randrange(LONGEST_GONE)
    elif record.term > CLIFF_BEGINS + CLIFF_DAYS and chance.random() < CLIFF_SHARE:
        left = CLIFF_BEGINS + chance.randrange(CLIFF_DAYS)
    else:
        left = chance.randrange(2, record.term)
    # A random time of day. `left` and the seconds together leave an expired one expired and any other valid.
    seconds = chance.randrange(1, 86400)
    return (now() - (record.term - left) * DAY - timedelta(seconds=seconds)).replace(microsecond=0)


def _issue(record: Record, starts: datetime, chance: random.Random) -> Issue:
    # About one serial number in sixteen begins with a zero, which reports drop and details keep.
    serial = chance.getrandbits(127) | 1 << 118
    ends = starts + record.term * DAY - timedelta(seconds=1)
    return Issue(serial, starts, ends, record.key, record.names)


def _revoked(record: Record, issue: Issue, chance: random.Random) -> None:
    moment = _between(issue.not_before, now(), chance)
    record.revoked_at, record.reason_code = moment, chance.choice(REASONS)
    issue.revoke(moment, record.reason_code)


def _future(record: Record, issue: Issue, chance: random.Random) -> None:
    """Mark the certificate as renewed, as scheduled for SCM's own renewal, or as neither."""
    renewed_at = issue.not_after - RENEWED_BEFORE * DAY
    if renewed_at < now() and chance.random() < RENEWED_SHARE:
        record.renewed = True
        record.renewed_at = max(renewed_at, issue.not_before)
    elif record.status == status.ISSUED and chance.random() < SCHEDULED_SHARE:
        record.auto_renew_state = "Scheduled"
        record.auto_renew_days = chance.choice((14, 30))


def _between(first: datetime, last: datetime, chance: random.Random) -> datetime:
    return first + chance.random() * (last - first)
