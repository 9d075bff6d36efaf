"""Lookups of rows by the names that users type; unknown names are reported with suggestions."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING

from certline.cli.errors import Fault
from certline.models.host_names import same_host
from certline.models.names import similar
from certline.models.states import CertificateStatus

if TYPE_CHECKING:
    from sqlalchemy.orm import InstrumentedAttribute, Session

    from certline.models import (
        Account,
        AuditEntry,
        Certificate,
        Command,
        DeadLetter,
        DnsProvider,
        Hook,
        NoticeRoute,
        Order,
        Webhook,
    )

# Names that are compared, at most, to suggest a similar one.
MOST_NAMES = 2000


def find_account(db: Session, name: str, *, removed: bool = False) -> Account:
    """Return the account of that name; a removed one only with `removed`. Raises Fault."""
    from certline.models.accounts.account import account_named, accounts

    found = account_named(db, name, removed=removed)
    if found is None:
        known = ", ".join(account.name for account in accounts(db)) or "none yet"
        raise Fault(f"account {name!r} is not known; known accounts: {known}")
    return found


def find_hook(db: Session, name: str) -> Hook:
    """Return the hook of that name. Raises Fault."""
    from certline.models.certificates.deploy_hook import hook_named, hooks

    found = hook_named(db, name)
    if found is None:
        known = ", ".join(hook.name for hook in hooks(db)) or "none yet"
        raise Fault(f"hook {name!r} is not known; known hooks: {known}")
    return found


def find_route(db: Session, name: str) -> NoticeRoute:
    """Return the route of notices of that name. Raises Fault."""
    from certline.models.notices.route import route_named, routes

    found = route_named(db, name)
    if found is None:
        known = ", ".join(route.name for route in routes(db)) or "none yet"
        raise Fault(f"route {name!r} is not known; known routes: {known}")
    return found


def find_provider(db: Session, name: str) -> DnsProvider:
    """Return the provider of proofs of that name. Raises Fault."""
    from certline.models.domains.provider import provider_named, providers

    found = provider_named(db, name)
    if found is None:
        known = ", ".join(each.name for each in providers(db)) or "none yet"
        raise Fault(f"provider {name!r} is not known; known providers: {known}")
    return found


def find_order(db: Session, name: str) -> Order:
    """Return the order with that id, or with `scm:<sslId>`. Raises Fault."""
    from sqlalchemy import select

    from certline.models import Order
    from certline.models.orders.order import order_known_as

    found = order_known_as(db, name)
    if found is not None:
        return found
    # Users often type the common name, so orders for that name are suggested first.
    called = db.scalars(
        select(Order.id)
        .where(Order.common_name == same_host(name))
        .order_by(Order.id.desc())
        .limit(3)
    ).all()
    recent = db.scalars(select(Order.id).order_by(Order.id.desc()).limit(MOST_NAMES))
    raise Fault(
        f"order {name!r} is not known{_meant(called or _close(name.upper(), recent))}",
        hint="Name an order by its id or by scm:SSLID. To list them: certline order list",
    )


def find_certificate(db: Session, name: str) -> Certificate:
    """Return the certificate with that id, serial number or common name. Raises Fault, or
    SeveralCertificatesError if the name is ambiguous.
    """
    from sqlalchemy import select

    from certline.models import Certificate
    from certline.models.certificates.certificate import certificate_known_as

    found = certificate_known_as(db, name)
    if found is not None:
        return found
    past = db.execute(
        select(Certificate.id, Certificate.status)
        .where(Certificate.common_name == same_host(name))
        .order_by(Certificate.id.desc())
        .limit(3)
    ).all()
    if past:
        which = " or ".join(f"{own_id} ({status})" for own_id, status in past)
        raise Fault(f"no certificate for {name!r} is active; name an older one by its id: {which}")
    names = db.scalars(
        select(Certificate.common_name)
        .where(Certificate.status == CertificateStatus.ACTIVE)
        .distinct()
        .limit(MOST_NAMES)
    )
    raise Fault(
        f"certificate {name!r} is not known{_meant(_close(same_host(name), names))}",
        hint=(
            "Name a certificate by its id, its serial number, or a common name that only one active "
            "certificate has. To list them: certline certificate list"
        ),
    )


def find_command(db: Session, name: str) -> Command:
    """Return the command with that id. Raises Fault."""
    from certline.models import Command

    try:
        found = db.get(Command, str(uuid.UUID(name)))
    except ValueError:
        found = None
    if found is None:
        raise Fault(f"command {name!r} is not known", hint="To list them: certline command list")
    return found


def find_dead_letter(db: Session, name: str) -> DeadLetter:
    """Return the dead letter with that id. Raises Fault."""
    from certline.models.commands.dead_letter import dead_letter_known_as

    found = dead_letter_known_as(db, name)
    if found is None:
        raise Fault(
            f"dead letter {name!r} is not known",
            hint="To list them: certline dead-letter list --all",
        )
    return found


def find_event(db: Session, name: str) -> AuditEntry:
    """Return the audit entry with that id. Raises Fault."""
    from certline.models import AuditEntry

    is_id = name.isascii() and name.isdecimal() and len(name) < 19  # at most 18 digits fit a bigint
    found = db.get(AuditEntry, int(name)) if is_id else None
    if found is None:
        raise Fault(f"entry {name!r} is not in the log", hint="To list them: certline audit list")
    return found


def find_webhook(db: Session, name: str) -> Webhook:
    """Return the webhook with that id or URL. Raises Fault."""
    from certline.models.webhook import webhook_known_as

    found = webhook_known_as(db, name)
    if found is None:
        raise Fault(f"webhook {name!r} is not known", hint="To list them: certline webhook list")
    return found


def close_names(db: Session, column: InstrumentedAttribute[str], name: str) -> str:
    """Return `; did you mean …?` with similar names of a column, or an empty text."""
    from sqlalchemy import select

    return _meant(similar(name, db.scalars(select(column).limit(MOST_NAMES)), cutoff=0.7))


def _close(name: str, names: Iterable[str]) -> list[str]:
    return get_close_matches(name, list(names), n=3, cutoff=0.7)


def _meant(names: Iterable[str]) -> str:
    return f"; did you mean {' or '.join(names)}?" if names else ""
