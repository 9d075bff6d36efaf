"""Routes of notices: who is told which news, by which service, and how often at most."""

from datetime import datetime

from sqlalchemy import CheckConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.database.base import Base, new_id, stored_by_value
from certline.models.notices.kind import SEVERITIES, Severity
from certline.models.notices.news import wants


class NoticeRoute(Base):
    """A route: a service, by its sealed URL, and the kinds of news (patterns) that it is told.

    `service`: name of the service, and `scheme` that of its URL; the URL itself is never shown, because it holds a
    login or is one. `severity`: the least that is told. `digest`: whether it gets the daily digest. `at_most`:
    messages an hour. `failures`: those in a row; `failing_since` and `last_error` say since when and why.
    `sending_until`: until when a worker may be sending, so that no other one does.
    """

    __tablename__ = "notice_route"
    __table_args__ = (
        CheckConstraint("at_most IS NULL OR at_most > 0", name="at_most_counts"),
        CheckConstraint("(failures > 0) = (failing_since IS NOT NULL)", name="failing_since_then"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(unique=True)
    service: Mapped[str]
    scheme: Mapped[str]
    url_sealed: Mapped[bytes]
    kinds: Mapped[list[str]]
    severity: Mapped[Severity] = mapped_column(stored_by_value(Severity), default=Severity.INFO)
    digest: Mapped[bool] = mapped_column(default=False)
    at_most: Mapped[int | None]
    failures: Mapped[int] = mapped_column(default=0)
    failing_since: Mapped[datetime | None]
    last_error: Mapped[str | None]
    told_at: Mapped[datetime | None]
    sending_until: Mapped[datetime | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    def wants(self, kind: str, severity: Severity) -> bool:
        """Return True if the route is told news of that kind and severity."""
        grave = SEVERITIES.index(severity) >= SEVERITIES.index(self.severity)
        return grave and wants(self.kinds, kind)

    def __repr__(self) -> str:
        return f"NoticeRoute({self.name!r}, {self.scheme})"


def routes(db: Session) -> list[NoticeRoute]:
    """Load all routes by name."""
    return list(db.scalars(select(NoticeRoute).order_by(NoticeRoute.name)))


def route_named(db: Session, name: str) -> NoticeRoute | None:
    """Return the route of that name, or None."""
    return db.scalar(select(NoticeRoute).where(NoticeRoute.name == name))


def routes_failing(db: Session) -> int:
    """Return how many routes could not be told anything at the last try."""
    return db.scalar(select(func.count()).where(NoticeRoute.failures > 0)) or 0
