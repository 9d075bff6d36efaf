"""Helpers for stored certificates, and the commands that give them successors."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import requests
from sqlalchemy import select, update

from certline.models import Certificate, Command, CommandStatus, CommandType, Order, OrderStatus
from certline.models.audit.identity import Identity
from certline.models.audit.log import AuditEntry, history
from certline.models.ciphers.place import IN_HAND, in_command
from certline.models.commands.command import accept
from certline.models.commands.payloads import ReissueCommand, RenewCommand, RevokeCommand
from certline.producers.requests.certificates import request_revocation, request_successor
from tests.integration.workers.conftest import Bench
from tests.servers import until

# Milliseconds, as in the simulator's settings.
HOUR = 3_600_000
# Undocumented behaviour of SCM while it reissues a certificate: each possibility.
MOODS: list[dict[str, Any]] = [
    {},
    {"replace_status": "Issued"},
    {"replace_status": "Replaced", "replace_collects_old": True},
    {"replace_status": "Issued", "replace_collects_old": True},
    {"replace_new_order_number": True, "collect_lag_ms": 300},
    {"replace_revokes_old": True},
]

# Longer than the settle time.
LONG_AGO = timedelta(hours=1)
# SCM's response to an account without access to reports.
NO_PRIVILEGE = '{"code": -3, "description": "not authorized"}'
LOGIN = {"login": "admin", "password": "secret", "customerUri": "demo"}
RENEW = "POST /ssl/v1/renewById/{sslId}"
REPLACE = "POST /ssl/v1/replace/{sslId}"


def stored(bench: Bench, **wanted: Any) -> Certificate:
    """Order a certificate and store it."""
    command = bench.place(**wanted)
    go_on(bench)
    return certificate_of(bench, command)


def go_on(bench: Bench, times: int = 4) -> None:
    """Run everything that is open as far as it goes."""
    for _ in range(times):
        bench.make_due()
        bench.run_due()


def until_stored(bench: Bench, command: Command) -> None:
    """Run the order until it is stored; SCM needs a moment to issue the certificate."""

    def is_stored() -> bool:
        go_on(bench, 1)
        return bench.order(command).status is OrderStatus.STORED

    until(is_stored, 30)


def renewal(bench: Bench, certificate: Certificate, **named: Any) -> Command:
    """Request a certificate's renewal, without sending it."""
    wanted = RenewCommand(certificate=certificate.id, **named)
    return request_successor(
        bench.database, bench.line.vault, wanted, requested_by=Identity("os:ida")
    ).command


def reissue(bench: Bench, certificate: Certificate, **named: Any) -> Command:
    """Request a certificate's reissue, without sending it."""
    wanted = ReissueCommand(**{"certificate": certificate.id, "reason": "new server"} | named)
    return request_successor(
        bench.database, bench.line.vault, wanted, requested_by=Identity("os:ida")
    ).command


def revocation(bench: Bench, certificate: Certificate, **named: Any) -> Command:
    """Request a certificate's revocation, without sending it."""
    wanted = RevokeCommand(**{"certificate": certificate.id, "comments": "not needed"} | named)
    return request_revocation(bench.database, wanted, requested_by=Identity("os:ida")).command


def asked_from_outside(bench: Bench, kind: str, data: dict[str, Any]) -> Command:
    """Accept a command of another system, which is a row without an order."""
    command_id, field = str(uuid4()), "keystore_password_sealed"
    if field in data:  # admission binds it to the command
        given = data[field].encode()
        sealed = bench.line.vault.move(given, IN_HAND, in_command(command_id))
        data = data | {field: sealed.decode()}
    with bench.database.transaction() as db:
        command, _ = accept(
            db,
            CommandType(kind),
            data,
            requested_by=Identity("amqp:shop"),
            source="shop",
            command_id=command_id,
        )
        return command


def done_by_a_stranger(bench: Bench, path: str, body: dict[str, Any]) -> None:
    """Change something at SCM as another client of it, for instance in its portal."""
    answer = requests.post(f"{bench.simulator.url}{path}", json=body, headers=LOGIN, timeout=30)
    answer.raise_for_status()


def evidence(bench: Bench, command: Command) -> str:
    """Return the audit entries of reconciling as text, newest last."""
    events = events_of(bench, bench.order(command).id)
    return "\n".join(
        f"{event.why} {event.data}" for event in events if event.type == "order.reconciled"
    )


def certificate_of(bench: Bench, command: Command) -> Certificate:
    """Load the certificate of a command's order."""
    with bench.database.transaction() as db:
        return db.get_one(Certificate, bench.order(command).certificate_id)


def now(bench: Bench, certificate: Certificate) -> Certificate:
    """Reload the certificate."""
    with bench.database.transaction() as db:
        return db.get_one(Certificate, certificate.id)


def all_certificates(bench: Bench) -> list[Certificate]:
    """Load every stored certificate."""
    with bench.database.transaction() as db:
        return list(db.scalars(select(Certificate).order_by(Certificate.not_after, Certificate.id)))


def events_of(bench: Bench, subject: str) -> list[AuditEntry]:
    """Return the audit entries of an order or a certificate."""
    with bench.database.transaction() as db:
        return history(db, subject)


def look(bench: Bench, command: Command) -> Order:
    """Let the settle time pass and reconcile once. Returns the order afterwards."""
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


def status_at_scm(bench: Bench, certificate: Certificate) -> str:
    """Return the status in SCM's record."""
    records = {record["sslId"]: record["status"] for record in bench.orders_at_scm()}
    return str(records[certificate.scm_id])
