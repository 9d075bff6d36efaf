"""Certificates in every state that matters to a renewal, made with a real order at the simulator."""

from collections.abc import Callable

from sqlalchemy import select

from certline.models import Certificate, CertificateStatus, Command, Order, OrderStatus
from certline.models.audit.identity import Identity
from certline.models.commands.payloads import CancelCommand
from certline.models.lifecycle.moves import move
from certline.models.orders.order import locked
from certline.producers.requests.certificates import request_cancelling
from certline.producers.requests.order_review import reject
from tests.integration.workers.conftest import Bench
from tests.integration.workers.succession import (
    HOUR,
    certificate_of,
    go_on,
    now,
    reissue,
    renewal,
    revocation,
    stored,
)


def renewed(bench: Bench, certificate: Certificate) -> Certificate:
    """Renew a certificate now, and return its successor."""
    command = renewal(bench, certificate)
    go_on(bench)
    return certificate_of(bench, command)


def successors(bench: Bench) -> list[Order]:
    """Return the orders for successors, the oldest first."""
    with bench.database.transaction() as db:
        query = select(Order).where(Order.predecessor_id.is_not(None)).order_by(Order.id)
        return list(db.scalars(query))


def cancelled_here_only(bench: Bench, order: Order) -> Command:
    """Cancel an order that SCM will not decline, because it is at the CA. Returns the ended command."""
    wanted = CancelCommand(order=order.id, comments="not needed")
    return bench.run(
        request_cancelling(bench.database, wanted, requested_by=Identity("os:ida")).command.id
    )


def expired(bench: Bench) -> Certificate:
    """Return a stored certificate that has expired."""
    old = stored(bench)
    bench.decide(old.scm_id, "expire")
    with bench.database.transaction() as db:
        db.get_one(Certificate, old.id).status = CertificateStatus.EXPIRED
    return now(bench, old)


def expired_and_renewed(bench: Bench) -> Certificate:
    """Return an expired certificate whose successor is in force."""
    old = expired(bench)
    renewed(bench, old)
    return now(bench, old)


def renewed_and_expired_again(bench: Bench) -> Certificate:
    """Return an expired certificate whose successor has expired too."""
    old = expired(bench)
    new = renewed(bench, old)
    bench.decide(new.scm_id, "expire")
    with bench.database.transaction() as db:
        db.get_one(Certificate, new.id).status = CertificateStatus.EXPIRED
    return now(bench, old)


def superseded(bench: Bench) -> Certificate:
    """Return a certificate whose successor is in force."""
    old = stored(bench)
    renewed(bench, old)
    return now(bench, old)


def revoked(bench: Bench) -> Certificate:
    """Return a revoked certificate."""
    old = stored(bench)
    revocation(bench, old)
    go_on(bench)
    return now(bench, old)


def with_an_open_renewal(bench: Bench) -> Certificate:
    """Return a certificate whose renewal is not sent yet."""
    old = stored(bench)
    renewal(bench, old)
    return old


def with_a_pending_renewal(bench: Bench) -> Certificate:
    """Return a certificate whose renewal waits at SCM."""
    old = stored(bench)
    bench.settings(auto_approve=False)
    renewal(bench, old)
    go_on(bench, 1)
    return old


def with_a_renewal_on_hold(bench: Bench) -> Certificate:
    """Return a certificate whose renewal waits for a licence."""
    old = with_a_pending_renewal(bench)
    with bench.database.transaction() as db:
        order = locked(db, successors(bench)[-1].id)
        move(db, order, OrderStatus.ISSUED)
        move(db, order, OrderStatus.HELD, why="no licence is left")
    return old


def with_a_renewal_that_scm_declined(bench: Bench) -> Certificate:
    """Return a certificate whose renewal SCM has declined."""
    old = with_a_pending_renewal(bench)
    bench.decide(successors(bench)[-1].scm_id, "decline")
    go_on(bench)
    bench.settings(auto_approve=True)
    return old


def with_a_renewal_cancelled_here_only(bench: Bench) -> Certificate:
    """Return a certificate whose cancelled renewal SCM may still issue."""
    old = stored(bench)
    bench.settings(issue_after_ms=HOUR)
    renewal(bench, old)
    go_on(bench, 1)
    cancelled_here_only(bench, successors(bench)[-1])
    return old


def with_a_renewal_in_review(bench: Bench) -> Certificate:
    """Return a certificate whose cancelled renewal SCM has issued."""
    old = with_a_renewal_cancelled_here_only(bench)
    bench.decide(successors(bench)[-1].scm_id, "issue")
    go_on(bench)
    return old


def with_a_renewal_given_up(bench: Bench) -> Certificate:
    """Return a certificate whose renewal, issued at SCM, was given up."""
    old = with_a_renewal_in_review(bench)
    reject(bench.database, successors(bench)[-1].id, who=Identity("os:ida"), why="not wanted")
    return old


def while_it_is_reissued(bench: Bench) -> Certificate:
    """Return a certificate that is being reissued."""
    old = stored(bench)
    bench.settings(auto_approve=False)
    reissue(bench, old)
    go_on(bench, 1)
    return old


STATES: list[Callable[[Bench], Certificate]] = [
    stored,
    expired,
    expired_and_renewed,
    renewed_and_expired_again,
    superseded,
    revoked,
    with_an_open_renewal,
    with_a_pending_renewal,
    with_a_renewal_on_hold,
    with_a_renewal_that_scm_declined,
    with_a_renewal_cancelled_here_only,
    with_a_renewal_in_review,
    with_a_renewal_given_up,
    while_it_is_reissued,
]
