"""Notices: what a route is to be told; each is kept until it was sent, or is parked for a person."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, func, select, text, update
from sqlalchemy.dialects.postgresql import UUID, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.audit.identity import RELAY
from certline.models.audit.identity import Identity as Who
from certline.models.commands.command import Command, accept
from certline.models.commands.wake_up import emit_wake_up
from certline.models.database.base import Base, stored_by_value
from certline.models.database.session import clock
from certline.models.events.outbox import EVENTS, Outbox
from certline.models.notices.kind import Facts, Severity
from certline.models.notices.news import news_in, severity_of
from certline.models.notices.route import NoticeRoute, routes
from certline.models.states import CommandStatus, CommandType

# How long a sent notice is kept. News older than that are not told, so none is told twice because its notice was
# deleted.
KEPT = timedelta(days=7)
# From the first news of a kind until they are told: what a storm brings within that time is one message.
GATHER = timedelta(seconds=10)
# Rest of a route after a command that crashed its workers until it was given up.
REST = timedelta(hours=1)
# Rows of one statement, which may have 65,535 values.
MOST_AT_ONCE = 5_000


class Notice(Base):
    """A piece of news for one route. `key`: the same news has the same, such as the event's id.

    `waits_from`: from when it is counted how long it could not be sent. `message_id`: of the message that it was
    sent in, with others.
    """

    __tablename__ = "notice"
    __table_args__ = (
        # The same news is told once.
        Index("notice_once", "route_id", "key", unique=True),
        Index(
            "notice_unsent",
            "route_id",
            "id",
            postgresql_where=text("sent_at IS NULL AND parked_at IS NULL"),
        ),
        Index("notice_parked", "parked_at", postgresql_where=text("parked_at IS NOT NULL")),
        # Messages of the last hour, and the retention job.
        Index("notice_sent", "sent_at", postgresql_where=text("sent_at IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    route_id: Mapped[str] = mapped_column(ForeignKey("notice_route.id", ondelete="CASCADE"))
    key: Mapped[str]
    kind: Mapped[str]
    severity: Mapped[Severity] = mapped_column(stored_by_value(Severity))
    facts: Mapped[dict[str, Any]]
    happened_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    waits_from: Mapped[datetime] = mapped_column(server_default=func.now())
    sent_at: Mapped[datetime | None]
    message_id: Mapped[str | None] = mapped_column(UUID(as_uuid=False))
    parked_at: Mapped[datetime | None]

    def __repr__(self) -> str:
        return f"Notice({self.id}, {self.kind})"


@dataclass(frozen=True)
class Told:
    """News to be told to whoever wants them. `key`: the same news has the same; `at`: when it happened.

    `not_by`: id of the route that it is about, which cannot tell it.
    """

    kind: str
    key: str
    facts: Facts
    at: datetime
    not_by: str | None = None


def tell(db: Session, news: Sequence[Told]) -> int:
    """Store notices of news for each route that wants them. Returns how many are new."""
    found = routes(db)
    return _store(
        db,
        [
            _row(route, each.kind, each.key, each.facts, each.at)
            for each in news
            for route in found
            if route.id != each.not_by
            and route.wants(each.kind, severity_of(each.kind, each.facts))
        ],
    )


def hand_to_routes(db: Session, ids: Collection[int]) -> int:
    """Store a notice of each event for every route that wants it. Returns how many are new.

    `ids`: outbox rows; those that are not events are ignored. To be called in the transaction that marks the rows
    as sent, so that nothing is lost if the relay dies.
    """
    found = routes(db)
    if not found or not ids:
        return 0
    events = select(Outbox.event_id, Outbox.routing_key, Outbox.body, Outbox.created_at).where(
        Outbox.id.in_(ids), Outbox.exchange == EVENTS, Outbox.created_at > func.now() - KEPT
    )
    rows = []
    for event_id, kind, body, at in db.execute(events.order_by(Outbox.id)):
        news = news_in(kind, body.get("data") or {})
        # A route is told nothing that happened before it was added.
        for route in (each for each in found if each.created_at <= at):
            wanted = (
                _row(route, name, event_id, facts, at)
                for name, facts in news
                if route.wants(name, severity_of(name, facts))
            )
            rows += [row for row in [next(wanted, None)] if row is not None]
    return _store(db, rows)


def tell_route(db: Session, route: NoticeRoute, kind: str, key: str, facts: Facts) -> int:
    """Store a notice for one route, whatever it wants: a digest. Returns 1 if it is new, else 0."""
    row = _row(route, kind, key, facts, clock(db))
    return _store(db, [row], gather=timedelta(0))


def _row(route: NoticeRoute, kind: str, key: str, facts: Facts, at: datetime) -> dict[str, Any]:
    return {
        "route_id": route.id,
        "key": key,
        "kind": kind,
        "severity": severity_of(kind, facts),
        "facts": dict(facts),
        "happened_at": at,
    }


def _store(db: Session, rows: Sequence[dict[str, Any]], gather: timedelta = GATHER) -> int:
    # One that was removed since its rows were made must not undo those of all others. Always in the same order, so
    # that two transactions that tell several routes lock them one after the other.
    own = NoticeRoute.id.in_({row["route_id"] for row in rows})
    there = select(NoticeRoute.id).where(own).order_by(NoticeRoute.id)
    kept = set(db.scalars(there.with_for_update(read=True, key_share=True))) if rows else set()
    rows = [row for row in rows if row["route_id"] in kept]
    counts: Counter[str] = Counter()
    for first in range(0, len(rows), MOST_AT_ONCE):
        piece = rows[first : first + MOST_AT_ONCE]
        fresh = insert(Notice).values(piece).on_conflict_do_nothing().returning(Notice.route_id)
        counts.update(db.scalars(fresh))
    for route_id in sorted(counts):
        begin_telling(db, route_id, gather, who=RELAY)
    return counts.total()


def begin_telling(
    db: Session, route_id: str, after: timedelta, *, who: Who, rests: bool = True
) -> None:
    """Have a worker send a route's notices after a while, or let it, if it is about to.

    To be called after the notices were stored: what they refer to, the route, is then locked against the step that
    ends (`models.notices.delivery.settle`), so one of the two sees them. After a command that kept crashing its
    worker the route `rests` for REST, so that no notice can end one worker after the other.
    """
    if rests:
        after = max(after, _rest_of(db, route_id))
    command, new = accept(
        db,
        CommandType.NOTIFY,
        {"route": route_id},
        requested_by=who,
        source="certline",
        subject=route_id,
        after=after,
    )
    if new:
        return
    # It may wait for longer: for more news of another kind. While the route fails, nothing hurries it.
    failing = select(NoticeRoute.failures > 0).where(NoticeRoute.id == route_id).scalar_subquery()
    hastened = (
        update(Command)
        .where(
            Command.id == command.id,
            Command.status == CommandStatus.QUEUED,
            Command.not_before > func.now() + after,
            ~failing,
        )
        .values(not_before=func.now() + after, touched_at=func.now())
        .returning(Command.id)
        .execution_options(synchronize_session=False)
    )
    if db.scalar(hastened) is not None:
        emit_wake_up(db, CommandType.NOTIFY, command.id, after=after)


def _rest_of(db: Session, route_id: str) -> timedelta:
    """Return how long a route still rests because a command has crashed its workers again and again."""
    crashed = select(func.max(Command.touched_at) - func.now() + REST).where(
        Command.type == CommandType.NOTIFY,
        Command.subject == route_id,
        Command.status == CommandStatus.REVIEW,
    )
    return db.scalar(crashed) or timedelta(0)


def notices_parked(db: Session) -> int:
    """Return how many notices are parked: they could not be sent, and wait for a person."""
    return db.scalar(select(func.count()).where(Notice.parked_at.is_not(None))) or 0


def counts_of_route(db: Session) -> dict[str, dict[str, int]]:
    """Count the notices of each route by what became of them: waiting, parked, sent (within KEPT)."""
    waiting = func.count().filter(Notice.sent_at.is_(None), Notice.parked_at.is_(None))
    parked = func.count().filter(Notice.parked_at.is_not(None))
    sent = func.count().filter(Notice.sent_at.is_not(None))
    query = select(Notice.route_id, waiting, parked, sent).group_by(Notice.route_id)
    return {
        row[0]: {"waiting": row[1], "parked": row[2], "sent": row[3]} for row in db.execute(query)
    }
