"""Requests that link an account: it is stored, and what SCM offers it is read at once."""

from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from certline.models import Account, AccountStatus, Command, CommandType
from certline.models.accounts.account import account_named, accounts
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.commands.command import OPEN
from certline.models.commands.payloads import SyncCommand
from certline.models.database.secret_place import place_of
from certline.models.database.session import clock
from certline.models.validation import BadCommandError
from certline.models.vault import Vault
from certline.producers.requests.catalogue import sync_account


def require_same_customer(gone: Account, url: str, customer_uri: str | None) -> None:
    """Raise BadCommandError if a removed account's name would be used for another customer or URL.

    Its orders and certificates belong to the old customer.
    """
    if (gone.url, gone.customer_uri) == (url, customer_uri):
        return
    of = "" if gone.customer_uri is None else f", customer {gone.customer_uri!r}"
    said = f"{gone.name!r} was removed, and its orders and certificates belong to {gone.url}{of}"
    raise BadCommandError(
        [f"account: {said}; take another name, or add it with that URL and customer"]
    )


def require_other_customer(db: Session, name: str, login: dict[str, Any]) -> None:
    """Raise BadCommandError if another account is of the same customer at the same SCM.

    Its certificates would be imported, counted in the licence and ordered once for each of the two accounts. A
    removed account counts too, since its orders and certificates are still stored.
    """
    for other in accounts(db, removed=True):
        if other.name == name or not _is_same_customer(other, login):
            continue
        who = f"customer {other.customer_uri!r}" if other.customer_uri else f"key {other.login!r}"
        if other.status is AccountStatus.REMOVED:
            what = f"{other.name!r} was removed, and is of the same {who} at {other.url}"
            advice = f"add it again as {other.name!r}"
        else:
            what = f"{other.name!r} is of the same {who} at {other.url} already"
            advice = f"use {other.name!r}"
        why = "a second account would import, count and order the same certificates once more"
        raise BadCommandError([f"account: {what}; {why}: {advice}"])


def _is_same_customer(other: Account, login: dict[str, Any]) -> bool:
    if _server(other.url) != _server(login["url"]):
        return False
    if other.customer_uri is None or login["customer_uri"] is None:
        # An API key for OAuth2 does not name its customer; at least the same key is recognised.
        return bool(other.customer_uri == login["customer_uri"] and other.login == login["login"])
    return bool(other.customer_uri.casefold() == login["customer_uri"].casefold())


def _server(url: str) -> tuple[str | None, int | None]:
    """Return host and port: the paths differ between logins with a password and with a certificate."""
    parts = urlsplit(url)
    return parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def add_account(
    db: Session,
    vault: Vault,
    name: str,
    login: dict[str, Any],
    secret: bytes,
    *,
    verified: bool,
    who: Identity,
    examined: dict[str, Any] | None = None,
) -> Account:
    """Store an account, or restore the removed one of that name, and return it.

    `login`: the columns that store the login; `secret`: its secret, to be encrypted; `verified`: SCM accepts it;
    `examined`: what it may do there (`Account.examined`).
    """
    account = account_named(db, name, removed=True) or Account(name=name)
    for column, value in login.items():
        setattr(account, column, value)
    if account.id is None:  # a new one: its secret is bound to its id
        next_id = func.nextval(func.pg_get_serial_sequence(Account.__tablename__, Account.id.key))
        account.id = db.scalars(select(next_id)).one()
    account.secret_sealed = vault.seal(secret, place_of(account, "secret_sealed"))
    account.status, account.status_reason = AccountStatus.ACTIVE, None
    account.verified_at = clock(db) if verified else None
    account.examined = examined
    db.add(account)
    db.flush()
    db.refresh(account)
    record(db, "account.added", name, who=who, url=account.url, login=account.login)
    return account


def first_sync(db: Session, account: Account, *, who: Identity) -> Command | None:
    """Record a command that reads what SCM offers an account, if that was never read and is not being read.

    Returns the command, or None.
    """
    going = select(Command.id).where(
        Command.type == CommandType.SYNC,
        Command.subject == account.name,
        Command.status.in_(OPEN),
    )
    if account.synced_at is not None or db.scalars(going).first() is not None:
        return None
    return sync_account(db, account, SyncCommand().resources, requested_by=who, source="cli")
