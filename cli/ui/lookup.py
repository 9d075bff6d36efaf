"""What a person named, found; or a sentence that says what there is."""

import uuid
from collections.abc import Iterable
from difflib import get_close_matches

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from certline.cli.errors import Fault
from certline.models import (
    Account,
    Certificate,
    CertificateStatus,
    Command,
    DeadLetter,
    Event,
    Hook,
    Order,
    Webhook,
)
from certline.models.accounts.account import account_named, accounts
from certline.models.certificates.certificate import certificate_known_as
from certline.models.certificates.deploy_hook import hook_named, hooks
from certline.models.commands.dead_letter import dead_letter_known_as
from certline.models.orders.order import order_known_as
from certline.models.webhook import webhook_known_as

# Names that are looked through for one that was meant.
MOST_NAMES = 2000


def find_account(db: Session, name: str, *, removed: bool = False) -> Account:
    """The account of that name; one that was removed only where that is asked for. Raises Fault."""
    found = account_named(db, name, removed=removed)
    if found is None:
        known = ", ".join(account.name for account in accounts(db)) or "none yet"
        raise Fault(f"account {name!r} is not known; there are: {known}")
    return found


def find_hook(db: Session, name: str) -> Hook:
    """The hook of that name. Raises Fault."""
    found = hook_named(db, name)
    if found is None:
        known = ", ".join(hook.name for hook in hooks(db)) or "none yet"
        raise Fault(f"hook {name!r} is not known; there are: {known}")
    return found


def find_order(db: Session, name: str) -> Order:
    """The order with that id, or `scm:<sslId>`. Raises Fault."""
    found = order_known_as(db, name)
    if found is not None:
        return found
    called = db.scalars(
        select(Order.id).where(Order.common_name == name.lower()).order_by(Order.id.desc()).limit(3)
    ).all()
    recent = db.scalars(select(Order.id).order_by(Order.id.desc()).limit(MOST_NAMES))
    raise Fault(
        f"order {name!r} is not known{_meant(called or _close(name.upper(), recent))}",
        hint="An order is named by its id or by scm:SSLID. Which there are: certline order list",
    )


def find_certificate(db: Session, name: str) -> Certificate:
    """The certificate with that id, serial number or common name. Raises Fault,
    SeveralCertificatesError.
    """
    found = certificate_known_as(db, name)
    if found is not None:
        return found
    past = db.execute(
        select(Certificate.id, Certificate.status)
        .where(Certificate.common_name == name.lower())
        .order_by(Certificate.id.desc())
        .limit(3)
    ).all()
    if past:
        which = " or ".join(f"{own_id} ({status})" for own_id, status in past)
        raise Fault(f"no certificate of {name!r} is in use; by its id you can name {which}")
    names = db.scalars(
        select(Certificate.common_name)
        .where(Certificate.status == CertificateStatus.ACTIVE)
        .distinct()
        .limit(MOST_NAMES)
    )
    raise Fault(
        f"certificate {name!r} is not known{_meant(_close(name.lower(), names))}",
        hint=(
            "A certificate is named by its id, its serial number, or a common name that one active "
            "certificate has. Which there are: certline certificate list"
        ),
    )


def find_command(db: Session, name: str) -> Command:
    """The command with that id. Raises Fault."""
    try:
        found = db.get(Command, str(uuid.UUID(name)))
    except ValueError:
        found = None
    if found is None:
        raise Fault(f"command {name!r} is not known", hint="Which there are: certline command list")
    return found


def find_dead_letter(db: Session, name: str) -> DeadLetter:
    """The dead letter with that id. Raises Fault."""
    found = dead_letter_known_as(db, name)
    if found is None:
        raise Fault(
            f"dead letter {name!r} is not known",
            hint="Which there are: certline dead-letter list --all",
        )
    return found


def find_event(db: Session, name: str) -> Event:
    """The entry of the log with that id. Raises Fault."""
    is_id = name.isascii() and name.isdecimal() and len(name) < 19  # what a bigint holds
    found = db.get(Event, int(name)) if is_id else None
    if found is None:
        raise Fault(
            f"entry {name!r} is not in the log", hint="Which there are: certline audit list"
        )
    return found


def find_webhook(db: Session, name: str) -> Webhook:
    """The webhook with that id or URL. Raises Fault."""
    found = webhook_known_as(db, name)
    if found is None:
        raise Fault(f"webhook {name!r} is not known", hint="Which there are: certline webhook list")
    return found


def close_names(db: Session, column: InstrumentedAttribute[str], name: str) -> str:
    """The names of a column that were perhaps meant: `; did you mean …?`, or nothing."""
    names = {found.lower(): found for found in db.scalars(select(column).limit(MOST_NAMES))}
    return _meant([names[close] for close in _close(name.lower(), names)])


def _close(name: str, names: Iterable[str]) -> list[str]:
    return get_close_matches(name, list(names), n=3, cutoff=0.7)


def _meant(names: Iterable[str]) -> str:
    return f"; did you mean {' or '.join(names)}?" if names else ""
