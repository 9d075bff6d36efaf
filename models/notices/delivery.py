"""Queries and changes of the step `notify`: the messages that are due for a route, and what became of them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from certline.models.audit.identity import WORKER
from certline.models.audit.log import record
from certline.models.commands.command import Command, finish, postpone
from certline.models.commands.wake_up import emit_wake_up
from certline.models.database.session import clock
from certline.models.notices.kind import SEVERITIES
from certline.models.notices.notice import GATHER, Notice
from certline.models.notices.pace import HOUR, MOST_NEWS, NoticePlan, Waiting, plan_at
from certline.models.notices.route import NoticeRoute
from certline.models.notices.words import Letter, NewsPiece, letter_about
from certline.models.states import CommandStatus, CommandType

# Time after the n-th failure in a row of a route until it is tried again; after more failures, the last one.
PAUSES = tuple(timedelta(seconds=each) for each in (10, 30, 60, 300, 900, 1_800))
# How long a notice waits for a route that fails, before it is parked.
PATIENCE = timedelta(hours=24)
# Longer than a message can take (`workers.notices.channel`): how long a worker may be sending one.
LEASE = timedelta(seconds=75)

UNSENT = (Notice.sent_at.is_(None), Notice.parked_at.is_(None))


@dataclass(frozen=True)
class DueLetter:
    """A message that is due now, and the ids of the notices that it tells."""

    letter: Letter
    notices: Sequence[int]


@dataclass(frozen=True)
class DueLetters:
    """A route with the messages that are due for it now. `taken`: another worker is sending."""

    route: NoticeRoute
    letters: Sequence[DueLetter]
    taken: bool = False


def due_letters(db: Session, route_id: str, command_id: str) -> DueLetters | None:
    """Return the messages that are due for a route, which nobody else sends for LEASE; None if it was removed.

    A command may have two messages at RabbitMQ, and the second one looks like that of a dead worker. So while
    another worker may be sending, there is nothing to send; if it has died, a further message comes when its time
    is over.
    """
    # A lock that those who store notices do not wait for.
    route = db.get(NoticeRoute, route_id, with_for_update={"key_share": True})
    if route is None:
        return None
    now = clock(db)
    # A much later end was stored before the clock was set back.
    if route.sending_until is not None and now < route.sending_until < now + 2 * LEASE:
        left = route.sending_until - now + timedelta(seconds=1)
        emit_wake_up(db, CommandType.NOTIFY, command_id, after=left)
        return DueLetters(route, [], taken=True)
    route.sending_until = now + LEASE
    unsent, plan = _look(db, route)
    letters = []
    for kinds in plan.messages:
        own = [row for kind in kinds for row in unsent[kind]]
        pieces = [NewsPiece(row.kind, row.severity, row.facts, row.happened_at) for row in own]
        letters.append(DueLetter(letter_about(pieces), [row.id for row in own]))
    return DueLetters(route, letters)


def note_sent(db: Session, route_id: str, notices: Sequence[int], message_id: str) -> None:
    """Record that a message was sent, which ends the failures of its route."""
    change = update(Notice).where(Notice.id.in_(notices), *UNSENT)
    db.execute(change.values(sent_at=func.now(), message_id=message_id))
    well: dict[str, Any] = {
        "failures": 0,
        "failing_since": None,
        "last_error": None,
        "told_at": func.now(),
    }
    well["sending_until"] = func.now() + LEASE
    db.execute(update(NoticeRoute).where(NoticeRoute.id == route_id).values(well))


def settle(db: Session, command_id: str, route_id: str, *, sent: int, why: str | None) -> None:
    """End the command of a route, or put it off if there is more to send.

    `sent`: messages that were taken; `why`: why the last try failed, if it did.
    The lock on the route is one that whoever stores notices waits for (their foreign key), and that waits for
    him: either they are seen here, or their transaction sees the end of this command, and begins another one.
    """
    route = db.get(NoticeRoute, route_id, with_for_update=True, populate_existing=True)
    command = db.get(Command, command_id, with_for_update=True, populate_existing=True)
    if command is None or command.status is not CommandStatus.RUNNING:
        return  # another run has ended it meanwhile
    if route is None:
        finish(db, command, CommandStatus.DONE, result={"outcome": "its route was removed"})
        return
    now = clock(db)
    route.sending_until = None
    pause = timedelta(0)
    if why is not None:
        pause = PAUSES[min(route.failures, len(PAUSES) - 1)]
        route.failures += 1
        route.failing_since = route.failing_since or now
        route.last_error = why
        _park_old(db, route, why)
    _, plan = _look(db, route)
    due = now if plan.messages else plan.next_at
    if due is None:
        finish(db, command, CommandStatus.DONE, result={"messages": sent})
        return
    after = max(pause, due - now, timedelta(0))
    postpone(db, command, after=after, why=why or "more news wait for their time")


def release(db: Session, route: NoticeRoute) -> int:
    """Make a route's parked notices wait to be sent again. Returns how many."""
    parked = update(Notice).where(Notice.route_id == route.id, Notice.parked_at.is_not(None))
    # Also those that wait already: their patience begins anew with the route's.
    db.execute(
        update(Notice).where(Notice.route_id == route.id, *UNSENT).values(waits_from=func.now())
    )
    freed = db.scalars(
        parked.values(parked_at=None, waits_from=func.now())
        .returning(Notice.id)
        .execution_options(synchronize_session=False)
    )
    return len(freed.all())


def _park_old(db: Session, route: NoticeRoute, why: str) -> None:
    old = update(Notice).where(
        Notice.route_id == route.id, *UNSENT, Notice.waits_from < func.now() - PATIENCE
    )
    parked = db.scalars(
        old.values(parked_at=func.now())
        .returning(Notice.id)
        .execution_options(synchronize_session=False)
    ).all()
    if parked:
        record(db, "notify.parked", route.name, who=WORKER, why=why, count=len(parked))


def _look(db: Session, route: NoticeRoute) -> tuple[dict[str, list[Notice]], NoticePlan]:
    """Return the notices that wait, by kind, and which kinds are told now."""
    query = select(Notice).where(Notice.route_id == route.id, *UNSENT).order_by(Notice.id)
    unsent: dict[str, list[Notice]] = defaultdict(list)
    for row in db.scalars(query.limit(MOST_NEWS)):
        unsent[row.kind].append(row)
    waiting = [
        Waiting(
            kind,
            rows[0].created_at,
            max((row.severity for row in rows), key=SEVERITIES.index),
        )
        for kind, rows in unsent.items()
    ]
    told: dict[str, list[datetime]] = defaultdict(list)
    sent: dict[str, datetime] = {}
    last = select(Notice.kind, Notice.message_id, Notice.sent_at).where(
        Notice.route_id == route.id,
        Notice.sent_at > func.now() - HOUR,
    )
    for kind, message, at in db.execute(last.distinct()):
        if message is not None and at is not None:  # which it is: it was sent
            told[kind].append(at)
            sent[message] = at
    plan = plan_at(
        clock(db),
        waiting,
        told,
        sent=list(sent.values()),
        at_most=route.at_most,
        gather=GATHER,
    )
    return unsent, plan
