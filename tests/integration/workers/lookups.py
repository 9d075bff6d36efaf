"""Helpers for orders with an unknown outcome: lost, aged past the settle time, and reconciled."""

from datetime import timedelta
from typing import Any

import requests
from sqlalchemy import select, update

from certline.models import AuditEntry, Command, CommandStatus, CommandType, Order, OrderStatus
from certline.models.audit.log import history
from tests.integration.workers.conftest import Bench

NAME = "www.nordhafen.example"
HEADERS = {"login": "admin", "password": "secret", "customerUri": "demo"}
NO_PRIVILEGE = '{"code": -3, "description": "not authorized"}'
# Together with our reference it would be too long, so the reference is left out.
LONG = "x" * 1010


def lost(bench: Bench, kind: str, *, ago: timedelta = timedelta(hours=1), **wanted: Any) -> Command:
    """Place an order whose response was lost some time ago."""
    bench.fault("POST", "enroll", kind)
    command = bench.place(**wanted)
    bench.run(command.id)
    assert bench.order(command).status is OrderStatus.SENDING
    rest(bench, ago)
    return command


def rest(bench: Bench, by: timedelta) -> None:
    """Let time pass for sent orders."""
    with bench.database.transaction() as db:
        db.execute(
            update(Order).where(Order.sent_at.is_not(None)).values(sent_at=Order.sent_at - by)
        )


def lookup_of(bench: Bench, command: Command) -> Command:
    """Return the order's one open reconcile command, due now."""
    bench.make_due()
    with bench.database.transaction() as db:
        query = select(Command).where(
            Command.type == CommandType.RECONCILE,
            Command.subject == bench.order(command).id,
            Command.status == CommandStatus.QUEUED,
        )
        return db.scalars(query).one()


def reconciled(bench: Bench, command: Command) -> Order:
    """Reconcile once. Returns the order afterwards."""
    bench.run(lookup_of(bench, command).id)
    return bench.order(command)


def evidence(bench: Bench, command: Command) -> list[AuditEntry]:
    """Return the audit entries of reconciling."""
    with bench.database.transaction() as db:
        events = history(db, bench.order(command).id)
    return [event for event in events if event.type == "order.reconciled"]


def names_at_scm(bench: Bench) -> list[str]:
    """Return the common names of all records at SCM."""
    return sorted(record["commonName"] for record in bench.orders_at_scm())


def enrolled_by_a_stranger(bench: Bench, command: Command, *, comments: str) -> int:
    """Enrol a record with the same names as another client of SCM. Returns its sslId."""
    order = bench.order(command)
    answer = requests.post(
        f"{bench.simulator.url}/ssl/v1/enroll",
        json={
            "orgId": order.organization_id,
            "certType": order.profile_id,
            "term": order.term,
            "csr": order.csr,
            "comments": comments,
        },
        headers=HEADERS,
        timeout=30,
    )
    answer.raise_for_status()
    return int(answer.json()["sslId"])
