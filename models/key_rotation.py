"""Re-encryption of stored secrets with the newest key, in small batches, without blocking other transactions.

Secrets are found by name: every column or payload field ending in `_sealed` holds a Fernet token.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, Table, cast, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session
from sqlalchemy.types import Text

from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.commands.command import Command
from certline.models.commands.dead_letter import DeadLetter
from certline.models.commands.kinds import KINDS
from certline.models.database.base import Base
from certline.models.vault import Vault, WrongSecretKeyError

SEALED = "_sealed"
# A Fernet token within other text: "gAAAA" is the version byte 0x80 and the timestamp's leading zero bytes.
TOKEN = re.compile(rb"gAAAA[A-Za-z0-9_-]{60,}={0,2}")


@dataclass(frozen=True)
class SecretColumn:
    """A column that holds secrets, or a field (`name`) of a JSON column. `nested`: a secret may contain others."""

    column: Column[Any]
    name: str | None = None
    nested: bool = False

    def __str__(self) -> str:
        inner = "" if self.name is None else f".{self.name}"
        return f"{self.table.name}.{self.column.name}{inner}"

    @property
    def table(self) -> Table:
        """Table of the column."""
        return self.column.table

    @property
    def key(self) -> Column[Any]:
        """The table's primary key, a single column."""
        (key,) = self.table.primary_key.columns
        return key

    @property
    def value(self) -> ColumnElement[Any]:
        """SQL for the stored secret."""
        return self.column if self.name is None else self.column[self.name].as_string()


@dataclass
class Piece:
    """Result of one batch: the last row's key (None if there was no row), numbers of rows re-encrypted and of rows
    locked by others, and the keys of rows that no secret key opens.
    """

    last: Any = None
    renewed: int = 0
    busy: int = 0
    unreadable: list[str] = field(default_factory=list)


def places() -> list[SecretColumn]:
    """Return every place that holds secrets."""
    letters = DeadLetter.__tablename__  # whole messages, which may have sealed passwords in them
    columns = [
        SecretColumn(column, nested=table.name == letters)
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if column.name.endswith(SEALED)
    ]
    fields = {name for kind in KINDS.values() for name in kind.payload.model_fields}
    payload = Base.metadata.tables[Command.__tablename__].columns["payload"]
    return columns + [
        SecretColumn(payload, name) for name in sorted(fields) if name.endswith(SEALED)
    ]


def keys_in(
    db: Session, vault: Vault, place: SecretColumn, piece: int
) -> Iterator[tuple[str, str | None]]:
    """Yield each secret of a place as (row's key, name of its secret key, or None if no key of ours opens it).

    `piece`: rows read at once.
    """
    last = None
    while rows := db.execute(_secrets(place, last, piece)).all():
        for row, value in rows:
            for token in _tokens(vault, place, _bytes(value)):
                yield str(row), _key_of(vault, token)
        last = rows[-1][0]


def renew_piece(
    db: Session, vault: Vault, place: SecretColumn, *, after: Any, piece: int, who: Identity
) -> Piece:
    """Re-encrypt up to `piece` rows after the row `after` with the newest key, in the caller's transaction.

    Only the encryption changes, not the secret. Locked rows are skipped (SKIP LOCKED) and counted as busy, for
    the caller to try again. `who` is recorded in the audit entry.
    """
    rows = db.execute(_secrets(place, after, piece)).all()
    done = Piece(last=rows[-1][0] if rows else None)
    old = []
    for row, value in rows:
        keys = {_key_of(vault, token) for token in _tokens(vault, place, _bytes(value))}
        if None in keys:
            done.unreadable.append(str(row))
        elif keys != {vault.keys[0]}:
            old.append(row)
    if not old:
        return done
    # The values are read once more, under the lock: they may have changed since. FOR NO KEY UPDATE
    # (`key_share`), so that rows referring to these can still be inserted.
    mine = _secrets(place, None, piece).where(place.key.in_(old))
    mine = mine.with_for_update(skip_locked=True, key_share=True, of=place.table)
    locked = db.execute(mine).all()
    for row, value in locked:
        renewed = _renewed(vault, place, _bytes(value))
        db.execute(update(place.table).where(place.key == row).values(_stored(place, renewed)))
    done.renewed, done.busy = len(locked), len(old) - len(locked)
    if locked:
        record(db, "keys.rotated", str(place), who=who, rows=len(locked), key=vault.keys[0])
    return done


def use_of_keys(db: Session, vault: Vault, piece: int) -> dict[str, Counter[str | None]]:
    """Count the secrets of each place by the name of their key; None stands for secrets that no key opens."""
    return {
        str(each): Counter(key for _, key in keys_in(db, vault, each, piece)) for each in places()
    }


def newest_secrets(db: Session, most: int) -> list[bytes]:
    """Return the newest secrets of each column, at most `most` of each; passwords in commands are left out."""
    return [
        _bytes(value)
        for place in places()
        if place.name is None
        for _, value in db.execute(
            select(place.key, place.value)
            .where(place.value.is_not(None))
            .order_by(place.key.desc())
            .limit(most)
        )
    ]


def _secrets(place: SecretColumn, after: Any, piece: int) -> Select[Any]:
    rows = select(place.key, place.value).where(place.value.is_not(None))
    if after is not None:
        rows = rows.where(place.key > after)
    return rows.order_by(place.key).limit(piece)


def _key_of(vault: Vault, token: bytes) -> str | None:
    try:
        return vault.key_of(token)
    except WrongSecretKeyError:
        return None


def _tokens(vault: Vault, place: SecretColumn, sealed: bytes) -> Iterator[bytes]:
    """Yield a secret, and the tokens within it that were sealed with one of our keys."""
    yield sealed
    if place.nested and _key_of(vault, sealed):
        for token in TOKEN.findall(vault.open(sealed)):
            if _key_of(vault, token):
                yield token


def _renewed(vault: Vault, place: SecretColumn, sealed: bytes) -> bytes:
    if not place.nested:
        return vault.renew(sealed)

    def inner(found: re.Match[bytes]) -> bytes:
        return vault.renew(found[0]) if _key_of(vault, found[0]) else found[0]

    return vault.seal(TOKEN.sub(inner, vault.open(sealed)))


def _stored(place: SecretColumn, sealed: bytes) -> dict[str, Any]:
    if place.name is None:
        return {place.column.name: sealed}
    # Change this field only: the payload's other fields are not loaded.
    path = cast([place.name], ARRAY(Text))
    fresh = func.to_jsonb(cast(sealed.decode(), Text), type_=JSONB)
    return {place.column.name: func.jsonb_set(place.column, path, fresh)}


def _bytes(value: bytes | str) -> bytes:
    return value.encode() if isinstance(value, str) else value
