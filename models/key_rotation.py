"""Re-encryption of stored secrets with the newest key, in small batches, without blocking other transactions.

Secrets are found by name: every column or payload field ending in `_sealed` holds one. Those of earlier versions
are bound to no place (`models.ciphers`): they get bound on the way.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Index,
    LargeBinary,
    Select,
    Table,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session
from sqlalchemy.types import Text

from certline.models import every_table
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.ciphers.place import SecretPlace, in_command
from certline.models.commands.command import Command
from certline.models.commands.dead_letter import DeadLetter
from certline.models.commands.kinds import KINDS
from certline.models.database.secret_place import BESIDE, secret_place

if TYPE_CHECKING:
    from certline.models.vault import Vault

SEALED = "_sealed"
# For the passwords in commands: the other places with few secrets have such an index, too.
Index(
    "command_with_password",
    Command.id,
    postgresql_where=text("(payload ->> 'keystore_password_sealed') IS NOT NULL"),
)
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
    def beside(self) -> list[Column[Any]]:
        """Columns whose values the secret is bound to besides the row's id."""
        return [self.table.columns[name] for name in self.column.info.get(BESIDE, ())]

    def place(self, row: Sequence[Any]) -> SecretPlace:
        """Return the place of a secret, given a row of `_secrets`."""
        if self.name is not None:
            return in_command(str(row[0]), self.name)
        return secret_place(self.table.name, self.column.name, row[0], row[2:])

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
        if self.name is None:
            return self.column
        # Literal SQL as in the index: with a parameter in place of the name, Postgres could not prove that the
        # index applies.
        return literal_column(f"{self.table.name}.{self.column.name} ->> '{self.name}'", Text())


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
    tables = {table.name: table for table in every_table()}
    letters = DeadLetter.__tablename__  # whole messages, which may have sealed passwords in them
    columns = [
        SecretColumn(column, nested=table.name == letters)
        for table in tables.values()
        for column in table.columns
        if column.name.endswith(SEALED)
    ]
    fields = {name for kind in KINDS.values() for name in kind.payload.model_fields}
    payload = tables[Command.__tablename__].columns["payload"]
    return columns + [
        SecretColumn(payload, name) for name in sorted(fields) if name.endswith(SEALED)
    ]


def keys_in(
    db: Session, vault: Vault, column: SecretColumn, piece: int
) -> Iterator[tuple[str | None, bool]]:
    """Yield each secret of a column as (name of its secret key or None if no key of ours opens it, whether it is
    bound to its place). A secret within another one counts as bound. `piece`: rows read at once.
    """
    from certline.models.ciphers.bound_text import is_bound

    last = None
    while rows := db.execute(_secrets(column, last, piece)).all():
        for row in rows:
            sealed = _bytes(row[1])
            yield _key_of(vault, sealed, column.place(row)), is_bound(sealed)
            yield from ((key, True) for key in _inner_keys(vault, column, row))
        last = rows[-1][0]


def renew_piece(
    db: Session, vault: Vault, place: SecretColumn, *, after: Any, piece: int, who: Identity
) -> Piece:
    """Re-encrypt up to `piece` rows after the row `after` with the newest key, in the caller's transaction.

    Only the encryption changes, not the secret. Locked rows are skipped (SKIP LOCKED) and counted as busy, for
    the caller to try again. `who` is recorded in the audit entry.
    """
    from certline.models.ciphers.bound_text import is_bound

    rows = db.execute(_secrets(place, after, piece)).all()
    done = Piece(last=rows[-1][0] if rows else None)
    old = []
    for row in rows:
        sealed = _bytes(row[1])
        keys = {_key_of(vault, sealed, place.place(row)), *_inner_keys(vault, place, row)}
        if None in keys:
            done.unreadable.append(str(row[0]))
        elif keys != {vault.keys[0]} or not is_bound(sealed):
            old.append(row[0])
    if not old:
        return done
    # The values are read once more, under the lock: they may have changed since. FOR NO KEY UPDATE
    # (`key_share`), so that rows referring to these can still be inserted.
    mine = _secrets(place, None, piece).where(place.key.in_(old))
    mine = mine.with_for_update(skip_locked=True, key_share=True, of=place.table)
    locked = db.execute(mine).all()
    _store(db, place, {row[0]: _renewed(vault, place, row) for row in locked})
    done.renewed, done.busy = len(locked), len(old) - len(locked)
    if locked:
        record(db, "keys.rotated", str(place), who=who, rows=len(locked), key=vault.keys[0])
    return done


def use_of_keys(
    db: Session, vault: Vault, piece: int
) -> dict[str, Counter[tuple[str | None, bool]]]:
    """Count the secrets of each place by (name of their key, whether they are bound to their place); None stands
    for secrets that no key opens.
    """
    return {str(each): Counter(keys_in(db, vault, each, piece)) for each in places()}


def newest_secrets(db: Session, most: int) -> list[tuple[bytes, SecretPlace]]:
    """Return the newest secrets of each column with their places, at most `most` of each; passwords in commands
    are left out.
    """
    return [
        (_bytes(row[1]), place.place(row))
        for place in places()
        if place.name is None
        for row in db.execute(
            _values(place).where(place.value.is_not(None)).order_by(place.key.desc()).limit(most)
        )
    ]


def _values(place: SecretColumn) -> Select[Any]:
    return select(place.key, place.value, *place.beside)


def _secrets(place: SecretColumn, after: Any, piece: int) -> Select[Any]:
    rows = _values(place).where(place.value.is_not(None))
    if after is not None:
        rows = rows.where(place.key > after)
    return rows.order_by(place.key).limit(piece)


def _key_of(vault: Vault, sealed: bytes, place: SecretPlace) -> str | None:
    from certline.models.vault import WrongSecretKeyError

    try:
        return vault.key_of(sealed, place)
    except WrongSecretKeyError:
        return None


def _key_of_token(vault: Vault, token: bytes) -> str | None:
    from certline.models.vault import WrongSecretKeyError

    try:
        return vault.open_token(token)[0]
    except WrongSecretKeyError:
        return None


def _inner_keys(vault: Vault, column: SecretColumn, row: Sequence[Any]) -> Iterator[str]:
    """Yield the names of our keys with which tokens within a secret were sealed, by an earlier version."""
    if not column.nested or _key_of(vault, _bytes(row[1]), column.place(row)) is None:
        return
    for token in TOKEN.findall(vault.open(_bytes(row[1]), column.place(row))):
        key = _key_of_token(vault, token)
        if key is not None:
            yield key


def _renewed(vault: Vault, column: SecretColumn, row: Sequence[Any]) -> bytes:
    place = column.place(row)
    if not column.nested:
        return vault.renew(_bytes(row[1]), place)

    def inner(found: re.Match[bytes]) -> bytes:
        return vault.renew_token(found[0]) if _key_of_token(vault, found[0]) else found[0]

    return vault.seal(TOKEN.sub(inner, vault.open(_bytes(row[1]), place)), place)


def _store(db: Session, place: SecretColumn, renewed: Mapping[Any, bytes]) -> None:
    """Store the secrets, by the rows' keys, in one statement."""
    if not renewed:
        return
    kind: Any = LargeBinary() if place.name is None else Text()
    secrets = [each if place.name is None else each.decode() for each in renewed.values()]
    unnested = func.unnest(
        bindparam("keys", list(renewed), ARRAY(place.key.type)),
        bindparam("secrets", secrets, ARRAY(kind)),
    )
    given = unnested.table_valued(column("own", place.key.type), column("secret", kind))
    given = given.render_derived()
    stored: ColumnElement[Any] = given.c.secret
    if place.name is not None:
        # Change this field only: the payload's other fields are not loaded.
        path = cast([place.name], ARRAY(Text))
        stored = func.jsonb_set(place.column, path, func.to_jsonb(stored, type_=JSONB))
    change = update(place.table).where(place.key == given.c.own)
    db.connection().execute(change.values({place.column.name: stored}))


def _bytes(value: bytes | str) -> bytes:
    return value.encode() if isinstance(value, str) else value
