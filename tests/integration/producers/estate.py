"""An estate that is renewed by itself, and a quick stand-in for workers and SCM."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from models import (
    Account,
    Certificate,
    CertificateStatus,
    Command,
    CommandStatus,
    CommandType,
    Line,
    Order,
    OrderKind,
    OrderStatus,
    Outbox,
)
from models.base import new_id
from models.lifecycle import supersede
from models.many import add_rows, set_in_rows
from tests.factories import a_domain, a_profile, an_account, an_organization

DAY = timedelta(days=1)
# What the session knows is not compared with what a statement has changed.
IN_SQL: dict[str, Any] = {"synchronize_session": False}


def an_estate(db: Session, name: str = "hafen", **named: Any) -> Account:
    """An account whose organisation, profile and domain are there and stay valid."""
    account = an_account(db, name=name, **named)
    db.add(an_organization(account_id=account.id))
    db.add(a_profile(account_id=account.id, terms=[47, 365]))
    db.add(a_domain(account_id=account.id, validation_expires=None))
    db.flush()
    return account


def certificates_of(
    db: Session, account: Account, count: int, *, begins: Sequence[datetime], lifetime: timedelta
) -> list[str]:
    """So many stored certificates, each of a line of its own; their ids."""
    lines, orders, certificates = [], [], []
    for number in range(count):
        name = f"n{number}.nordhafen.example"
        line_id, order_id = new_id(), new_id()
        begin = begins[number % len(begins)]
        lines.append({"id": line_id, "account_id": account.id, "common_name": name})
        orders.append(_order(account.id, order_id, line_id, name, 10_000 + number))
        certificates.append(_certificate(orders[-1], begin, lifetime))
    for table, rows in ((Line, lines), (Order, orders), (Certificate, certificates)):
        add_rows(db, table, rows)
    own = {row["order_id"]: row["id"] for row in certificates}
    set_in_rows(db, Order, "certificate_id", own)
    return list(own.values())


def renew_what_was_asked_for(db: Session, now: datetime, lifetime: timedelta) -> int:
    """In the place of workers and SCM: each renewal that is asked for is stored at once.

    The first one takes its predecessor's place by the line's own function (models/lifecycle.py), and
    the others by statements that do the same for all of them.
    """
    asked = db.execute(
        select(
            Command.id,
            Certificate.id,
            Certificate.account_id,
            Certificate.line_id,
            Certificate.common_name,
        )
        .join(Certificate, Certificate.id == Command.subject)
        .where(Command.type == CommandType.RENEW, Command.status == CommandStatus.QUEUED)
    ).all()
    if not asked:
        return 0
    highest = db.scalar(select(func.max(Order.scm_id))) or 0
    orders, certificates = [], []
    for number, (command_id, old_id, account_id, line_id, name) in enumerate(asked, start=1):
        order = _order(account_id, new_id(), line_id, name, highest + number)
        order |= {
            "kind": OrderKind.RENEWAL,
            "predecessor_id": old_id,
            "command_id": command_id,
            "business_key": f"renewal of {line_id}",
        }
        orders.append(order)
        certificates.append(_certificate(order, now, lifetime))
    add_rows(db, Order, orders)
    add_rows(db, Certificate, certificates)
    # Statements for all of them: a row each would take longer than what is tested.
    has = update(Order).where(Order.id == Certificate.order_id, Order.certificate_id.is_(None))
    db.execute(has.values(certificate_id=Certificate.id).execution_options(**IN_SQL))
    is_about = update(Command).where(Command.id == Order.command_id)
    is_about = is_about.where(Command.status == CommandStatus.QUEUED)
    db.execute(is_about.values(subject=Order.id).execution_options(**IN_SQL))
    by_hand = {row["predecessor_id"]: row["id"] for row in orders[1:]}
    old = update(Certificate).where(Certificate.id.in_(by_hand))
    db.execute(old.values(status=CertificateStatus.SUPERSEDED, auto_renew=False, renews_at=None))
    new = update(Certificate).where(Certificate.order_id.in_(by_hand.values()))
    db.execute(new.values(auto_renew=True).execution_options(**IN_SQL))
    done = update(Command).where(Command.status == CommandStatus.QUEUED)
    db.execute(done.values(status=CommandStatus.DONE).execution_options(**IN_SQL))
    first = db.get_one(Order, orders[0]["id"])
    supersede(db, first, db.get_one(Certificate, first.certificate_id))
    # And of the relay.
    db.execute(
        update(Outbox)
        .where(Outbox.sent_at.is_(None))
        .values(sent_at=func.now())
        .execution_options(**IN_SQL)
    )
    return len(asked)


def _order(account_id: int, own_id: str, line_id: str, name: str, scm_id: int) -> dict[str, Any]:
    return {
        "id": own_id,
        "account_id": account_id,
        "kind": OrderKind.NEW,
        "status": OrderStatus.STORED,
        "scm_id": scm_id,
        "scm_renewed": False,
        "scm_auto_renew": False,
        "business_key": own_id,
        "reference": own_id,
        "common_name": name,
        "sans": [],
        "organization_id": 9102,
        "organization_name": "Nordhafen AG",
        "profile_id": 51,
        "profile_name": "OV Single",
        "term": 47,
        "keystore_type": "PKCS12",
        "line_id": line_id,
        "requested_by": "ida",
        "predecessor_id": None,
        "command_id": None,
    }


def _certificate(order: dict[str, Any], begins: datetime, lifetime: timedelta) -> dict[str, Any]:
    own_id = new_id()
    return {
        "id": own_id,
        "order_id": order["id"],
        "line_id": order["line_id"],
        "account_id": order["account_id"],
        "scm_id": order["scm_id"],
        "organization_id": order["organization_id"],
        "profile_id": order["profile_id"],
        "common_name": order["common_name"],
        "sans": [order["common_name"]],
        "serial_number": f"{order['scm_id']:x}",
        "sha256_fingerprint": "ab" * 32,
        "issuer": "Test CA",
        "not_before": begins,
        "not_after": begins + lifetime,
        "key_algorithm": "RSA",
        "key_size": "2048",
        "leaf": "-----BEGIN CERTIFICATE-----",
        "issuers": [],
        "keystore_type": "PKCS12",
        "auto_renew": False,
        "status": CertificateStatus.ACTIVE,
    }
