"""Property: whatever a certificate's state and however its renewal is requested, it is paid for once."""

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import pytest
from sqlalchemy import select

from certline.models import (
    Certificate,
    CertificateStatus,
    CommandStatus,
    Order,
    OrderKind,
    OrderStatus,
)
from certline.models.audit.identity import Identity
from certline.models.states import OPEN
from certline.models.validation import BadCommandError
from certline.producers.renewals.auto_renew import go_on as decide_on
from certline.producers.renewals.auto_renew import start_run
from certline.producers.renewals.batches import release_due, request_batch
from certline.producers.renewals.settings import choose, enable
from certline.producers.renewals.verdicts import BatchVerdict, judge_many
from tests.integration.workers.conftest import Bench
from tests.integration.workers.ordering.certificate_states import STATES, expired, renewed
from tests.integration.workers.succession import (
    asked_from_outside,
    go_on,
    now,
    reissue,
    renewal,
    stored,
)

# SCM's statuses of orders that cost nothing any more, or never did.
OVER = {"Declined", "Rejected", "Invalid", "Revoked", "Expired"}


def typed(bench: Bench, certificate: Certificate) -> None:
    """Request the renewal as a user."""
    renewal(bench, certificate)


def in_a_batch(bench: Bench, certificate: Certificate) -> None:
    """Request it in a batch."""
    verdicts = judge_many(bench.database, [now(bench, certificate)])
    request_batch(
        bench.database, verdicts, selection="x", pace=None, requested_by=Identity("os:ida")
    )
    bench.database.run(release_due)


def in_an_old_batch(bench: Bench, certificate: Certificate) -> None:
    """Release a member that could be renewed when its batch was requested."""
    fit = [BatchVerdict(now(bench, certificate), [], [])]
    request_batch(bench.database, fit, selection="x", pace=None, requested_by=Identity("os:ida"))


def by_id(bench: Bench, certificate: Certificate) -> None:
    """Send it as another system, by id."""
    asked_from_outside(bench, "renew", {"certificate": certificate.id})


def by_serial(bench: Bench, certificate: Certificate) -> None:
    """Send it as another system, by serial number."""
    asked_from_outside(bench, "renew", {"certificate": certificate.serial_number})


def by_name(bench: Bench, certificate: Certificate) -> None:
    """Send it twice as another system, by name."""
    for _ in range(2):  # the second one waits until the first one's certificate is stored
        asked_from_outside(bench, "renew", {"certificate": certificate.common_name})


def automatically(bench: Bench, certificate: Certificate) -> None:
    """Have a run of auto-renewal decide."""
    with bench.database.transaction() as db:
        enable(db, [bench.account()], days=3650, cap=None, who=Identity("os:ida"))
        row = db.get_one(Certificate, certificate.id)
        if row.status is CertificateStatus.ACTIVE:
            choose(db, [row], selected=True, days=3650, who=Identity("os:ida"))
        start_run(db)
    while decide_on(bench.database):
        pass


def reissued(bench: Bench, certificate: Certificate) -> None:
    """Request a reissue."""
    reissue(bench, certificate)


WAYS = [typed, in_a_batch, in_an_old_batch, by_id, by_serial, by_name, automatically, reissued]


@pytest.mark.slow
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_no_certificate_gets_two_successors(
    bench: Bench, state: Callable[[Bench], Certificate]
) -> None:
    certificate = state(bench)

    for way in (*WAYS, *WAYS):
        with suppress(BadCommandError):
            way(bench, certificate)
        go_on(bench, 2)

        assert max(paid_for(bench).values(), default=0) <= 1, way.__name__


def test_an_expired_certificate_is_renewed_once(bench: Bench) -> None:
    old = expired(bench)
    newest = renewed(bench, old).id

    for again in (typed, in_a_batch, by_id, by_serial):
        if again is typed:
            with pytest.raises(
                BadCommandError, match=f"renewed; the newest of its line is {newest}"
            ):
                again(bench, old)
        else:
            again(bench, old)
        go_on(bench, 1)

    assert paid_for(bench) == {old.scm_id: 1}
    with bench.database.transaction() as db:
        assert db.get_one(Certificate, newest).status is CertificateStatus.ACTIVE


def test_an_expired_certificate_is_renewed_once_more_on_purpose(bench: Bench) -> None:
    old = expired(bench)
    renewed(bench, old)

    second = renewal(bench, old, again=True)
    go_on(bench)

    assert bench.order(second).status is OrderStatus.STORED
    assert paid_for(bench) == {old.scm_id: 2}


def test_two_renewals_of_an_expired_certificate_at_once_are_one_order(bench: Bench) -> None:
    old = expired(bench)
    commands = [asked_from_outside(bench, "renew", {"certificate": old.id}) for _ in range(2)]
    workers = [threading.Thread(target=bench.run, args=(each.id,)) for each in commands]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    go_on(bench)

    assert paid_for(bench) == {old.scm_id: 1}


def test_a_refused_renewal_does_not_stop_the_newest_of_the_line(bench: Bench) -> None:
    old = expired(bench)
    newest = renewed(bench, old)

    late = asked_from_outside(bench, "renew", {"certificate": old.id})
    bench.run(late.id)

    assert bench.command(late.id).status is CommandStatus.FAILED
    once_more = asked_from_outside(bench, "renew", {"certificate": newest.id, "again": True})
    bench.run(once_more.id)
    assert bench.command(once_more.id).status is not CommandStatus.FAILED


def test_a_renewal_that_is_typed_again_by_name_orders_nothing(bench: Bench) -> None:
    old = stored(bench)
    newest = renewed(bench, old)
    before = len(bench.orders_at_scm())

    with pytest.raises(BadCommandError, match=r"itself a renewal.*--again"):
        renewal(bench, newest)
    late = asked_from_outside(bench, "renew", {"certificate": newest.common_name})
    bench.run(late.id)

    assert bench.command(late.id).status is CommandStatus.FAILED
    assert len(bench.orders_at_scm()) == before


def test_a_renewal_may_be_renewed_after_a_tenth_of_its_lifetime(bench: Bench) -> None:
    newest = renewed(bench, stored(bench))
    with bench.database.transaction() as db:
        row = db.get_one(Certificate, newest.id)
        row.not_before -= (row.not_after - row.not_before) / 5

    assert bench.command(renewal(bench, newest).id).status is not CommandStatus.FAILED


def paid_for(bench: Bench) -> Counter[int]:
    """Count the renewals on their way or in force by the sslId that they renew, at SCM and in our database."""
    at_scm = {each["sslId"]: each["status"] for each in bench.orders_at_scm()}
    with bench.database.transaction() as db:
        found = db.execute(
            select(Order, Certificate.scm_id)
            .join(Certificate, Certificate.id == Order.predecessor_id)
            .where(Order.kind != OrderKind.REISSUE)
        ).all()
        return Counter(
            renewed
            for order, renewed in found
            if order.status in OPEN
            or order.status is OrderStatus.STORED
            or at_scm.get(order.scm_id, "Expired") not in OVER
        )
