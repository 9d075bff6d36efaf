"""Certificates that are stored, and the commands that give them successors, for the bench."""

from datetime import timedelta
from typing import Any

import requests
from sqlalchemy import select, update

from certline.models import Certificate, Command, CommandStatus, CommandType, Order, OrderStatus
from certline.models.audit.log import AuditEntry, history
from certline.models.commands.command import accept
from certline.models.commands.payloads import ReissueCommand, RenewCommand, RevokeCommand
from certline.producers.requests.certificates import request_revocation, request_successor
from tests.integration.workers.conftest import Bench
from tests.servers import until

# Milliseconds, as the simulator has them.
HOUR = 3_600_000
# What nobody could tell us of SCM while it makes a certificate anew.
MOODS: list[dict[str, Any]] = [
    {},
    {"replace_status": "Issued"},
    {"replace_status": "Replaced", "replace_collects_old": True},
    {"replace_status": "Issued", "replace_collects_old": True},
    {"replace_new_order_number": True, "collect_lag_ms": 300},
    {"replace_revokes_old": True},
]

# Longer than an outcome has to rest before it is looked up.
LONG_AGO = timedelta(hours=1)
# SCM's answer to an account that may not have reports.
NO_PRIVILEGE = '{"code": -3, "description": "not authorized"}'
LOGIN = {"login": "admin", "password": "secret", "customerUri": "demo"}
RENEW = "POST /ssl/v1/renewById/{sslId}"
REPLACE = "POST /ssl/v1/replace/{sslId}"


def stored(bench: Bench, **wanted: Any) -> Certificate:
    """A certificate that was ordered and is stored."""
    command = bench.place(**wanted)
    go_on(bench)
    return certificate_of(bench, command)


def go_on(bench: Bench, times: int = 4) -> None:
    """Everything that is open goes as far as it can."""
    for _ in range(times):
        bench.make_due()
        bench.run_due()


def until_stored(bench: Bench, command: Command) -> None:
    """The order goes on until it is stored; SCM needs a moment to make the certificate."""

    def is_stored() -> bool:
        go_on(bench, 1)
        return bench.order(command).status is OrderStatus.STORED

    until(is_stored, 30)


def renewal(bench: Bench, certificate: Certificate, **named: Any) -> Command:
    """A certificate's renewal, asked for and not yet sent."""
    wanted = RenewCommand(certificate=certificate.id, **named)
    return request_successor(bench.database, bench.line.vault, wanted, requested_by="ida").command


def reissue(bench: Bench, certificate: Certificate, **named: Any) -> Command:
    """A certificate's reissue, asked for and not yet sent."""
    wanted = ReissueCommand(**{"certificate": certificate.id, "reason": "new server"} | named)
    return request_successor(bench.database, bench.line.vault, wanted, requested_by="ida").command


def revocation(bench: Bench, certificate: Certificate, **named: Any) -> Command:
    """A certificate's revocation, asked for and not yet sent."""
    wanted = RevokeCommand(**{"certificate": certificate.id, "comments": "not needed"} | named)
    return request_revocation(bench.database, wanted, requested_by="ida").command


def asked_from_outside(bench: Bench, kind: str, data: dict[str, Any]) -> Command:
    """A command of another system: a row without an order."""
    with bench.database.transaction() as db:
        command, _ = accept(db, CommandType(kind), data, requested_by="shop", source="shop")
        return command


def done_by_a_stranger(bench: Bench, path: str, body: dict[str, Any]) -> None:
    """Somebody else has SCM do something, in its portal for instance."""
    answer = requests.post(f"{bench.simulator.url}{path}", json=body, headers=LOGIN, timeout=30)
    answer.raise_for_status()


def evidence(bench: Bench, command: Command) -> str:
    """What the looks at SCM have written down, the newest last."""
    events = events_of(bench, bench.order(command).id)
    return "\n".join(
        f"{event.why} {event.data}" for event in events if event.type == "order.reconciled"
    )


def certificate_of(bench: Bench, command: Command) -> Certificate:
    """The certificate that a command's order brought."""
    with bench.database.transaction() as db:
        return db.get_one(Certificate, bench.order(command).certificate_id)


def now(bench: Bench, certificate: Certificate) -> Certificate:
    """The certificate as it stands."""
    with bench.database.transaction() as db:
        return db.get_one(Certificate, certificate.id)


def all_certificates(bench: Bench) -> list[Certificate]:
    """Every certificate that is stored."""
    with bench.database.transaction() as db:
        return list(db.scalars(select(Certificate).order_by(Certificate.not_after, Certificate.id)))


def events_of(bench: Bench, subject: str) -> list[AuditEntry]:
    """The log of an order or a certificate."""
    with bench.database.transaction() as db:
        return history(db, subject)


def look(bench: Bench, command: Command) -> Order:
    """The order after one more look at SCM, for which its outcome has rested long enough."""
    order = bench.order(command)
    assert order.status is OrderStatus.SENDING
    with bench.database.transaction() as db:
        sent = update(Order).where(Order.sent_at.is_not(None))
        db.execute(sent.values(sent_at=Order.sent_at - LONG_AGO))
    bench.make_due()
    with bench.database.transaction() as db:
        lookup = db.scalars(
            select(Command.id).where(
                Command.type == CommandType.RECONCILE,
                Command.subject == order.id,
                Command.status == CommandStatus.QUEUED,
            )
        ).one()
    bench.run(lookup)
    return bench.order(command)
