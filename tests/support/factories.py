"""Factories of rows and commands: irrelevant fields get defaults, and a test names those that matter to it."""

import itertools
import os
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from sqlalchemy.orm import Session

from certline.models import (
    Account,
    Certificate,
    CustomField,
    Domain,
    Line,
    Order,
    OrderStatus,
    Organization,
    Profile,
    Sender,
    SenderKind,
)
from certline.models.commands.kinds import PUBLIC
from certline.models.commands.payloads import OrderCommand
from certline.models.database.base import new_id
from certline.models.orders.checks import Offer

T = TypeVar("T")

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
_numbers = itertools.count(1000)


def a_wanted(**named: Any) -> OrderCommand:
    """Return an order as a user requests it."""
    usual = {
        "common_name": "shop.nordhafen.example",
        "organization": "Nordhafen AG",
        "profile": "OV Single",
        "term": 365,
    }
    return OrderCommand.model_validate(usual | named)


def an_organization(**named: Any) -> Organization:
    """Return a synced organisation."""
    return Organization(**{"account_id": 1, "scm_id": 9102, "name": "Nordhafen AG"} | named)


def a_domain(**named: Any) -> Domain:
    """Return a synced domain that is delegated, and validated until 90 days after NOON."""
    usual = {
        "account_id": 1,
        "scm_id": next(_numbers),
        "name": "nordhafen.example",
        "state": "ACTIVE",
        "validation_status": "VALIDATED",
        "validation_expires": (NOON + timedelta(days=90)).date(),
        "delegations": [{"org_id": 9102, "cert_types": ["SSL"]}],
    }
    return Domain(**usual | named)


def a_profile(**named: Any) -> Profile:
    """Return a synced profile that allows 90 days and a year, RSA and EC."""
    usual = {
        "account_id": 1,
        "scm_id": 51,
        "name": "OV Single",
        "terms": [90, 365],
        "key_types": {"RSA": ["2048", "4096"], "EC": ["P-256"]},
    }
    return Profile(**usual | named)


def a_custom_field(**named: Any) -> CustomField:
    """Return a custom field that is mandatory for orders."""
    return CustomField(
        **{"account_id": 1, "scm_id": 7, "name": "Cost centre", "mandatory": True} | named
    )


def an_offer(**named: Any) -> Offer:
    """Return an offer of SCM: one organisation, one domain, one profile."""
    usual: dict[str, Any] = {
        "organizations": [an_organization()],
        "domains": [a_domain()],
        "profiles": [a_profile()],
        "custom_fields": [],
    }
    return Offer(**usual | named)


def an_account(db: Session, **named: Any) -> Account:
    """Insert an active account."""
    usual = {
        "name": f"account-{next(_numbers)}",
        "url": "https://scm.test",
        "customer_uri": "nordhafen",
        "login": "svc-pipeline",
        "secret_sealed": b"sealed",
    }
    return _added(db, Account(**usual | named))


def a_line(db: Session, account: Account, **named: Any) -> Line:
    """Insert a line of an account."""
    return _added(db, Line(account_id=account.id, common_name="shop.nordhafen.example", **named))


def an_order(db: Session, account: Account | None = None, **named: Any) -> Order:
    """Insert an order, of a new account unless one is given. It has an sslId unless `placed` or `sending`."""
    number = next(_numbers)
    usual = {
        "account": account or an_account(db),
        "scm_id": None if named.get("status", "placed") in ("placed", "sending") else number,
        "business_key": f"key-{number}",
        "reference": new_id(),
        "common_name": "shop.nordhafen.example",
        "organization_id": 9102,
        "organization_name": "Nordhafen AG",
        "profile_id": 51,
        "profile_name": "OV Single",
        "term": 365,
        "csr": "-----BEGIN CERTIFICATE REQUEST-----",
        "keystore_type": "PKCS12",
        "requested_by": "ida",
        "status": OrderStatus.PLACED,
    }
    return _added(db, Order(**usual | named))


def a_certificate(db: Session, order: Order | None = None, **named: Any) -> Certificate:
    """Insert a certificate of a stored order, valid for a year from NOON."""
    order = order or an_order(db, status=OrderStatus.STORED)
    line_id = order.line_id or a_line(db, order.account).id
    usual = {
        "order_id": order.id,
        "line_id": line_id,
        "account_id": order.account.id,
        "scm_id": order.scm_id,
        "organization_id": order.organization_id,
        "profile_id": order.profile_id,
        "common_name": order.common_name,
        "sans": [order.common_name],
        "serial_number": f"{next(_numbers):x}",
        "sha256_fingerprint": "ab" * 32,
        "issuer": "Test CA",
        "not_before": NOON,
        "not_after": NOON + timedelta(days=365),
        "key_algorithm": "RSA",
        "key_size": "2048",
        "leaf": "-----BEGIN CERTIFICATE-----",
        "issuers": [],
        "keystore_type": "PKCS12",
    }
    return _added(db, Certificate(**usual | named))


def a_sender(db: Session, **named: Any) -> Sender:
    """Return another system that may send every command about everything, as the RabbitMQ user of the tests."""
    usual = {
        "name": "guest",
        "amqp_user": "guest",
        "commands": list(PUBLIC),
        "own_only": False,
        "added_by": "test",
    }
    return _added(db, Sender(**usual | named))


def senders_of_everything(db: Session) -> None:
    """Let the users of the tests' RabbitMQ send everything, over the exchange and to the work queues."""
    # A server of this machine has `guest`, one in a container `tests`, any other the user in its address.
    given = urlsplit(os.environ.get("CERTLINE_TEST_RABBITMQ_URL", "")).username
    for user in {"guest", "tests", unquote(given or "guest")}:
        a_sender(db, name=user, amqp_user=user)
    a_sender(db, name="dramatiq", amqp_user=None, kind=SenderKind.WORK_QUEUES)


def _added(db: Session, row: T) -> T:
    db.add(row)
    db.flush()
    return row
