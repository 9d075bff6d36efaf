"""Secrets in rows: stored and read as certline does, bound to their row."""

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models import (
    Account,
    Certificate,
    DeadLetter,
    DnsProvider,
    NoticeRoute,
    Order,
    PrivateKey,
    SealingKey,
    Webhook,
)
from certline.models.ciphers.place import SecretPlace
from certline.models.database.secret_place import place_of
from certline.models.key_rotation import places
from certline.models.vault import Vault

Row = (
    Account
    | Certificate
    | DeadLetter
    | DnsProvider
    | NoticeRoute
    | Order
    | PrivateKey
    | SealingKey
    | Webhook
)


def seal_in(db: Session, vault: Vault, row: Row, column: str, secret: bytes) -> None:
    """Store a secret in a row, which is inserted if it is new."""
    setattr(row, column, b"")
    db.add(row)
    db.flush()
    setattr(row, column, vault.seal(secret, place_of(row, column)))
    db.flush()


def opened(vault: Vault, row: Row, column: str) -> bytes:
    """Return a row's secret."""
    sealed: bytes | None = getattr(row, column)
    assert sealed is not None
    return vault.open(sealed, place_of(row, column))


def move_account(db: Session, vault: Vault, account: Account, url: str) -> None:
    """Set another URL for an account's SCM, and bind its secret to it."""
    secret = opened(vault, account, "secret_sealed")
    account.url = url
    seal_in(db, vault, account, "secret_sealed", secret)


def stored_secrets(db: Session) -> Iterator[tuple[str, bytes, SecretPlace]]:
    """Yield (column, sealed, place) of every stored secret."""
    for column in places():
        query = select(column.key, column.value, *column.beside)
        for row in db.execute(query.where(column.value.is_not(None))):
            sealed = row[1] if isinstance(row[1], bytes) else row[1].encode()
            yield str(column), sealed, column.place(row)
