"""Key pairs for sealing: other systems have the public key, and the private one is stored encrypted.

One pair is the current one. An earlier one still opens what it has sealed, for a stated time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.ciphers.sealed_text import id_of, new_private_key, public_key_of
from certline.models.database.base import Base
from certline.models.database.secret_place import place_of
from certline.models.database.session import clock
from certline.models.validation import OPENS_DAYS
from certline.models.vault import Vault

# Key of the advisory lock under which a pair is made ("seal" in ASCII).
PAIR_LOCK = 0x7365616C


class SealingKey(Base):
    """Key pair for sealing; its id is that of the public key. `opens_until`: None for the current pair."""

    __tablename__ = "sealing_key"

    id: Mapped[str] = mapped_column(primary_key=True)
    private_sealed: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    opens_until: Mapped[datetime | None]

    def __repr__(self) -> str:
        return f"SealingKey({self.id})"


@dataclass(frozen=True)
class PublicKey:
    """The public key of the current pair, in PEM. `new`: it was made just now."""

    id: str
    pem: bytes
    new: bool = False


def public_key(db: Session, vault: Vault, *, who: Identity) -> PublicKey:
    """Return the public key of the current pair; make the first pair if there is none.

    The public key is computed from the private one and stored nowhere, so that nobody who may write to the
    database can have his own handed out. Raises WrongSecretKeyError.
    """
    row = _current(db)
    if row is None:
        db.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": PAIR_LOCK})
        row = _current(db)
    if row is None:
        return _made(db, vault, who=who)
    return PublicKey(row.id, public_key_of(_private(vault, row)))


def replace_pair(db: Session, vault: Vault, *, days: int = OPENS_DAYS, who: Identity) -> PublicKey:
    """Make a new pair. The one before still opens for `days`; those whose time is over are deleted."""
    db.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": PAIR_LOCK})
    forget_closed(db, who=who)
    before = _current(db)
    if before is not None:
        before.opens_until = clock(db, timedelta(days=days))
        db.flush()
        facts = {"opens_until": before.opens_until.isoformat()}
        record(db, "sealing_key.replaced", before.id, who=who, **facts)
    return _made(db, vault, who=who)


def replace_pair_of_older_key(db: Session, vault: Vault, *, who: Identity) -> PublicKey | None:
    """Make a new pair if the current one is encrypted with an older secret key. Returns it, or None.

    Whoever has the old secret key and a copy of the database has the private key, too.
    """
    row = _current(db)
    if row is None or vault.key_of(row.private_sealed, place_of(row, COLUMN)) == vault.keys[0]:
        return None
    return replace_pair(db, vault, who=who)


def forget_closed(db: Session, *, who: Identity) -> None:
    """Delete the pairs whose time is over."""
    gone = delete(SealingKey).where(SealingKey.opens_until < func.now()).returning(SealingKey.id)
    for key_id in sorted(db.scalars(gone)):
        record(db, "sealing_key.deleted", key_id, who=who)


def sealing_keys(db: Session) -> Sequence[SealingKey]:
    """Load the pairs, the current one first."""
    query = select(SealingKey).order_by(SealingKey.opens_until.desc().nulls_first(), SealingKey.id)
    return db.scalars(query).all()


def private_key(db: Session, vault: Vault, key_id: str) -> bytes | None:
    """Return the private key (PEM) of a pair that still opens, or None. Raises WrongSecretKeyError."""
    row = db.get(SealingKey, key_id)
    if row is None or (row.opens_until is not None and row.opens_until < clock(db)):
        return None
    return _private(vault, row)


COLUMN = SealingKey.private_sealed.key


def _current(db: Session) -> SealingKey | None:
    query = select(SealingKey).where(SealingKey.opens_until.is_(None))
    return db.scalars(query.execution_options(populate_existing=True)).one_or_none()


def _made(db: Session, vault: Vault, *, who: Identity) -> PublicKey:
    private = new_private_key()
    pem = public_key_of(private)
    row = SealingKey(id=id_of(pem))
    row.private_sealed = vault.seal(private, place_of(row, COLUMN))
    db.add(row)
    db.flush()
    record(db, "sealing_key.made", row.id, who=who)
    return PublicKey(row.id, pem, new=True)


def _private(vault: Vault, row: SealingKey) -> bytes:
    return vault.open(row.private_sealed, place_of(row, COLUMN))
