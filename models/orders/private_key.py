"""Private keys, encrypted; an order and its certificate share one."""

from datetime import datetime

from sqlalchemy import func
from sqlalchemy.orm import Mapped, mapped_column

from certline.models.database.base import Base, new_id


class PrivateKey(Base):
    """A key pair made here. It is stored before its CSR leaves the house."""

    __tablename__ = "private_key"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    pem_sealed: Mapped[bytes]
    algorithm: Mapped[str]
    size: Mapped[str]
    # Hex SHA-256 of the DER SubjectPublicKeyInfo: the sure link between an order and its leaf.
    public_key_sha256: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
