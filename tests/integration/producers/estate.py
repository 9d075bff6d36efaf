"""An estate that is renewed automatically, and a quick stand-in for workers and SCM."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, text, update
from sqlalchemy.orm import Session

from certline.models import (
    Account,
    Certificate,
    CertificateStatus,
    Line,
    Order,
    OrderKind,
    OrderStatus,
    Outbox,
)
from certline.models.database.base import new_id
from certline.models.database.bulk import add_rows, set_in_rows
from certline.models.lifecycle.succession import supersede
from tests.support.factories import a_domain, a_profile, an_account, an_organization

DAY = timedelta(days=1)


def an_estate(db: Session, name: str = "hafen", **named: Any) -> Account:
    """Insert an account whose organisation, profile and domain stay valid."""
    account = an_account(db, name=name, **named)
    db.add(an_organization(account_id=account.id))
    db.add(a_profile(account_id=account.id, terms=[47, 365]))
    db.add(a_domain(account_id=account.id, validation_expires=None))
    db.flush()
    return account


def certificates_of(
    db: Session,
    account: Account,
    count: int,
    *,
    begins: Sequence[datetime],
    lifetime: timedelta,
    below: Sequence[str] = ("nordhafen.example",),
) -> list[str]:
    """Insert `count` stored certificates, each with a line of its own. Returns their ids.

    `below`: the domains that their names are in, by turns.
    """
    lines, orders, certificates = [], [], []
    for number in range(count):
        name = f"n{number}.{below[number % len(below)]}"
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


# Each requested renewal becomes a copy of the order and the certificate it renews, and supersedes
# it; the first ones through certline's own function.
STORED = text("""
    WITH asked AS (
        SELECT command.id, command.id::text AS own, old.id AS old_id, old.order_id,
            row_number() OVER (ORDER BY command.id) AS number,
            :first + row_number() OVER (ORDER BY command.id) AS scm_id
        FROM command JOIN certificate AS old ON old.id = command.subject
        WHERE command.type = 'renew' AND command.status = 'queued'
    ), placed AS (
        INSERT INTO "order" (id, command_id, predecessor_id, certificate_id, scm_id, business_key,
            reference, kind, status, account_id, scm_renewed, scm_auto_renew, common_name, sans,
            organization_id, organization_name, profile_id, profile_name, term, keystore_type, line_id,
            requested_by, comments, external_requesters, custom_fields, fence, attempts, looks, found,
            polls)
        SELECT own, asked.id, old_id, 'C' || own, asked.scm_id, 'renewal of ' || line_id, own, 'renewal',
            'stored', account_id, scm_renewed, scm_auto_renew, common_name, sans, organization_id,
            organization_name, profile_id, profile_name, term, keystore_type, line_id, requested_by,
            comments, external_requesters, custom_fields, 0, 0, 0, '[]', 0
        FROM asked JOIN "order" AS o ON o.id = asked.order_id
    ), stored AS (
        INSERT INTO certificate (id, order_id, scm_id, serial_number, not_before, not_after, status,
            auto_renew, line_id, account_id, organization_id, profile_id, common_name, sans,
            sha256_fingerprint, issuer, key_algorithm, key_size, leaf, issuers, keystore_type)
        SELECT 'C' || own, own, asked.scm_id, to_hex(asked.scm_id), :begins, :ends, 'active',
            number > :by_function, line_id, account_id, organization_id, profile_id, common_name, sans,
            sha256_fingerprint, issuer, key_algorithm, key_size, leaf, issuers, keystore_type
        FROM asked JOIN certificate AS old ON old.id = asked.old_id
    ), replaced AS (
        UPDATE certificate SET status = 'superseded', auto_renew = false, renews_at = NULL
        FROM asked WHERE certificate.id = asked.old_id AND number > :by_function
    ), done AS (
        UPDATE command SET status = 'done', subject = own FROM asked WHERE command.id = asked.id
    )
    SELECT own FROM asked ORDER BY number
""")


def renew_what_was_asked_for(
    db: Session, now: datetime, lifetime: timedelta, *, by_function: int = 0
) -> int:
    """Store each requested renewal at once, in place of workers and SCM.

    `by_function` of them supersede their predecessor through certline's own function
    (models/lifecycle/succession.py), the others by a statement with the same effect: row by row would take longer
    than what is tested.
    """
    first = now.toordinal() * 1000  # SCM's ids: a thousand for each day
    times = {"begins": now, "ends": now + lifetime}
    orders = db.scalars(STORED, times | {"by_function": by_function, "first": first}).all()
    for order in orders[:by_function]:
        supersede(db, db.get_one(Order, order), db.get_one(Certificate, f"C{order}"))
    return len(orders)


def relay_what_waits(db: Session) -> None:
    """Mark everything as sent, in place of the relay."""
    sent = update(Outbox).where(Outbox.sent_at.is_(None)).values(sent_at=func.now())
    db.execute(sent, execution_options={"synchronize_session": False})


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
