"""Lines: the licence unit, a certificate with all its renewals and reissues."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from certline.models.database.base import Base, DnsText, new_id


class Line(Base):
    """Licence unit: a certificate with all its renewals and reissues."""

    __tablename__ = "line"
    __table_args__ = (Index("line_managed", "id", postgresql_where=text("deleted_at IS NULL")),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    common_name: Mapped[DnsText]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deleted_at: Mapped[datetime | None]


class AutoRenewChoice(Base):
    """Choice made for one certificate, and so for its line: selected or deselected. `days` overrides the
    account's days before expiry.
    """

    __tablename__ = "auto_renew_choice"
    __table_args__ = (CheckConstraint("days > 0", name="days_before"),)

    line_id: Mapped[str] = mapped_column(
        ForeignKey("line.id", ondelete="CASCADE"), primary_key=True
    )
    selected: Mapped[bool]
    days: Mapped[int | None]
    chosen_by: Mapped[str]
    chosen_at: Mapped[datetime] = mapped_column(server_default=func.now())
