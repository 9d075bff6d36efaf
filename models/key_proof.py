"""Proof that the secret keys of a process are those of the installation, before it seals or runs anything.

Each key that secrets may be encrypted with has a row, with a random text encrypted by it. A process has to open
all of them: a secret that it seals can then be read by every other process, and it can read theirs. A new key is
added by the first process that has it before the others; `keys rotate` removes a key that no secret needs.

A proof that is bound to its row also says that every secret of its key is bound (`Vault.bound_only`). For a key
that is noted by this version, this is so from the start: there are no unbound texts of it to put into a row. For a
key of an earlier version, it is so once `keys rotate` has bound everything.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable
from datetime import datetime
from secrets import token_hex
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.ciphers.place import SecretPlace
from certline.models.database.base import Base
from certline.models.database.secret_place import secret_place
from certline.models.database.session import Database
from certline.models.key_rotation import TOKEN, newest_secrets

if TYPE_CHECKING:
    from certline.models.vault import Vault

# Key of the advisory lock under which keys are added and removed ("ckey" in ASCII).
KEYS_LOCK = 0x636B6579
# Bytes of a proof's random text. What matters is which key opens it, as proofs are authenticated.
PROOF = 16
# Before the first proof, as many of the newest secrets of each place are tried.
SAMPLE = 50


class UnprovenKeyError(Exception):
    """The secret keys of this process are not those that the installation's secrets are encrypted with."""


class SecretKey(Base):
    """A secret key in use, by its name (see `Vault.keys`). `proof`: a random text, encrypted with the key."""

    __tablename__ = "secret_key"

    name: Mapped[str] = mapped_column(primary_key=True)
    proof: Mapped[bytes]
    first_used_at: Mapped[datetime] = mapped_column(server_default=func.now())


def prove(db: Session, vault: Vault, *, who: Identity) -> None:
    """Prove the keys of a process on what is stored, and note its newest key if that is a new one.

    Raises UnprovenKeyError if a key in use is missing; nothing is written then. One statement, unless the newest
    key is new: then a lock lets one of several processes with different first keys win.
    """
    rows = _rows(db)
    _require(vault, rows)
    newest = vault.only(vault.keys[0])
    if any(_opens(newest, row) for row in rows):
        return
    db.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": KEYS_LOCK})
    rows = _rows(db)
    _require(vault, rows)
    # Older keys of ours are in use too if the secrets are from a version without proofs.
    older, unbound = (set(), set()) if rows else _openers(db, vault)
    used = [name for name in vault.keys if name in older | {vault.keys[0]}]
    _add(db, vault, used, unbound=unbound, who=who)


def key_fault(db: Session, vault: Vault) -> str | None:
    """Return why the keys of this process are not those of the installation, or None. Changes nothing."""
    rows = _rows(db)
    try:
        _require(vault, rows)
        if not rows:
            _openers(db, vault)
    except UnprovenKeyError as error:
        return str(error)
    return None


def watch_keys(database: Database, vault: Vault) -> None:
    """Have a running process prove its keys again when a secret does not open (see `Vault.recheck`)."""

    def recheck() -> str | None:
        return database.run(lambda db: key_fault(db, vault))

    vault.recheck = recheck


def remove_keys(db: Session, names: Collection[str], *, what: str, who: Identity) -> list[str]:
    """Remove keys from those in use. Returns the names of the ones that were. `what`: type of the audit entry."""
    db.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": KEYS_LOCK})
    gone = delete(SecretKey).where(SecretKey.name.in_(names)).returning(SecretKey.name)
    removed = sorted(db.scalars(gone))
    for name in removed:
        record(db, what, name, who=who)
    return removed


def start_over(db: Session, vault: Vault, *, who: Identity) -> bool:
    """Note this process's newest key as the first one although it opens nothing. Returns False if there is one."""
    db.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": KEYS_LOCK})
    if _rows(db):
        return False
    _add(db, vault, vault.keys[:1], unbound=frozenset(), who=who)
    return True


def take_bound_only(db: Session, vault: Vault, *, who: Identity) -> list[str]:
    """Have every secret of our keys in use taken only if it is bound to its place. Returns the keys newly so.

    For `keys rotate`, once it has bound all of them.
    """
    from certline.models.ciphers.bound_text import is_bound

    db.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": KEYS_LOCK})
    loose = [row for row in _rows(db) if row.name in vault.keys and not is_bound(row.proof)]
    for row in loose:
        row.proof = vault.only(row.name).seal(_random(), _place(row.name))
        record(db, "keys.bound", row.name, who=who)
    db.flush()
    _require(vault, _rows(db))
    return [row.name for row in loose]


def keys_in_use(db: Session) -> list[str]:
    """Return the names of the keys in use, the latest first."""
    return [row.name for row in _rows(db)]


def _add(
    db: Session, vault: Vault, names: Iterable[str], *, unbound: Container[str], who: Identity
) -> None:
    """Note keys as used. `unbound`: those that open secrets which are not bound to their place."""
    present = set(keys_in_use(db))
    for name in names:
        if name not in present:
            own = vault.only(name)
            proof = (
                own.seal_token(_random()) if name in unbound else own.seal(_random(), _place(name))
            )
            db.add(SecretKey(name=name, proof=proof))
            record(db, "keys.added", name, who=who)
    db.flush()
    _require(vault, _rows(db))


def _random() -> bytes:
    return token_hex(PROOF).encode()


def _place(name: str) -> SecretPlace:
    return secret_place(SecretKey.__tablename__, SecretKey.proof.key, name)


def _rows(db: Session) -> list[SecretKey]:
    query = select(SecretKey).order_by(SecretKey.first_used_at.desc(), SecretKey.name)
    return list(db.scalars(query.execution_options(populate_existing=True)))


def _require(vault: Vault, rows: Collection[SecretKey]) -> None:
    """Check that the vault has every key in use, and tell it of which keys it takes bound secrets only.

    Raises UnprovenKeyError.
    """
    from certline.models.ciphers.bound_text import is_bound

    missing = [row.name for row in rows if not _opens(vault, row)]
    if missing:
        raise UnprovenKeyError(
            f"this process lacks a secret key of the installation: it has {', '.join(vault.keys)}, and secrets "
            f"are encrypted with {', '.join(missing)}; nothing was written"
        )
    vault.bound_only = frozenset(row.name for row in rows if is_bound(row.proof))


def _openers(db: Session, vault: Vault) -> tuple[set[str], set[str]]:
    """Return the names of our keys that open secrets from a version without proofs, and of those that open ones
    that are not bound to their place.

    Raises UnprovenKeyError if there are such secrets, and our keys open none of them.
    """
    from certline.models.ciphers.bound_text import is_bound

    found = [
        (sealed, place)
        for sealed, place in newest_secrets(db, SAMPLE)
        if TOKEN.fullmatch(sealed) or is_bound(sealed)
    ]
    opened = [
        (name, is_bound(sealed))
        for name in vault.keys
        for sealed, place in found
        if _opens_secret(vault.only(name), sealed, place)
    ]
    openers = {name for name, _ in opened}
    if found and not openers:
        raise UnprovenKeyError(
            f"the stored secrets cannot be read with the secret keys of this process ({', '.join(vault.keys)}); "
            "nothing was written. The name of their key is not known yet: KEY is then `unknown`"
        )
    return openers, {name for name, bound in opened if not bound}


def _opens(vault: Vault, row: SecretKey) -> bool:
    from certline.models.ciphers.bound_text import is_bound
    from certline.models.vault import WrongSecretKeyError

    if is_bound(row.proof):
        return _opens_secret(vault, row.proof, _place(row.name))
    try:
        vault.key_of_token(row.proof)
    except WrongSecretKeyError:
        return False
    return True


def _opens_secret(vault: Vault, sealed: bytes, place: SecretPlace) -> bool:
    from certline.models.vault import WrongSecretKeyError

    try:
        vault.key_of(sealed, place)
    except WrongSecretKeyError:
        return False
    return True
