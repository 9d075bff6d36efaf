"""News that no event reports: looked for by the sweep, and told to the routes that want them.

What is found again a minute later has the same key, so it is told once (`models.notices`).
"""

from collections.abc import Callable, Iterator
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from certline.models import (
    AuditEntry,
    Command,
    CommandStatus,
    DeadLetter,
    DeadLetterStatus,
    Heartbeat,
    Notice,
    NoticeRoute,
    Outbox,
)
from certline.models.accounts.breaker import open_breakers
from certline.models.audit.identity import SWEEP
from certline.models.audit.patrol import found_broken
from certline.models.commands.approval import waiting
from certline.models.commands.backlog import stuck_queues
from certline.models.database.session import clock
from certline.models.heartbeat import stale_parts
from certline.models.notices.delivery import UNSENT
from certline.models.notices.news import wants
from certline.models.notices.notice import GATHER, KEPT, Told, begin_telling, tell
from certline.models.notices.route import routes
from certline.models.notices.words import minute
from certline.models.renewals.runs import seconds_since_good_run
from certline.models.renewals.selection import auto_renew_settings
from certline.models.webhook import IS_DELIVERY

# News older than this are not told, after a long downtime. Shorter than KEPT, or they would be told twice.
RECENT = KEPT / 2
# How long SCM is out of reach, a part was not seen, and a queue does not move, until that is news.
AWAY = timedelta(minutes=10)
UNSEEN = timedelta(minutes=3)
STUCK = timedelta(minutes=15)
# Auto-renewal runs daily; two hours of tolerance.
LATE = timedelta(hours=26)
# News of one kind that are told in one sweep.
MOST = 1_000
MINUTE = timedelta(minutes=1)


def tell_news(db: Session) -> int:
    """Tell the routes what has come up, and send on what waits though nobody sends it.

    Returns how many notices are new.
    """
    found = routes(db)
    if not found:
        return 0
    patterns = [pattern for route in found for pattern in route.kinds]
    news = [each for kind, look in FINDERS.items() if wants(patterns, kind) for each in look(db)]
    told = tell(db, news)
    for route_id in _silent(db):
        begin_telling(db, route_id, GATHER, who=SWEEP)
    return told


def _silent(db: Session) -> list[str]:
    """Return the routes with notices that wait: a command is begun for them unless one is open.

    None should be without one: this makes up for one that was stopped after it had crashed its workers.
    """
    old = Notice.created_at < func.now() - 2 * GATHER
    return list(db.scalars(select(Notice.route_id).where(*UNSENT, old).distinct()))


def _auto_renewal(db: Session) -> Iterator[Told]:
    seconds = seconds_since_good_run(db)
    if (
        seconds is None
        or seconds < LATE.total_seconds()
        or not auto_renew_settings(db, enabled=True)
    ):
        return
    now = clock(db)
    since = now - timedelta(seconds=seconds)
    hours = int(seconds // 3600)
    facts = {
        "summary": f"no good run for {hours} h",
        "what": f"No run of auto-renewal has ended since {minute(since)}, {hours} h ago; it runs daily",
    }
    yield Told("auto_renew.failed", f"auto_renew.late:{since:%F}:{hours // 24}", facts, now)


def _audit(db: Session) -> Iterator[Told]:
    broken = found_broken(db)
    if broken is not None:
        now = clock(db)
        yield Told("audit.broken", f"audit.broken:{broken}:{now:%F}", {"reason": broken}, now)


def _dead_letters(db: Session) -> Iterator[Told]:
    query = select(DeadLetter.id, DeadLetter.source, DeadLetter.reason, DeadLetter.received_at)
    fresh = query.where(
        DeadLetter.status == DeadLetterStatus.WAITING,
        DeadLetter.received_at > func.now() - RECENT,
    )
    for row in db.execute(fresh.order_by(DeadLetter.id.desc()).limit(MOST)):
        facts = {"id": row.id, "source": row.source, "reason": row.reason}
        yield Told("dead_letter", f"dead_letter:{row.id}", facts, row.received_at)


def _approvals(db: Session) -> Iterator[Told]:
    for each in waiting(db)[-MOST:]:
        if each.requested_at < clock(db) - RECENT:
            continue
        facts = {"id": each.id, "request": each.request, "requested_by": str(each.requester)}
        yield Told("approval.waiting", f"approval:{each.id}", facts, each.requested_at)


def _parked_deliveries(db: Session) -> Iterator[Told]:
    parked = (
        select(
            Command.subject,
            func.count(),
            func.max(Command.touched_at),
            func.max(Command.error),
        )
        .where(IS_DELIVERY, Command.status == CommandStatus.REVIEW)
        .group_by(Command.subject)
        .having(func.max(Command.touched_at) > func.now() - RECENT)
    )
    for webhook, count, at, why in db.execute(parked):
        facts = {"webhook": webhook, "count": count, "reason": why}
        yield Told("webhook.parked", f"webhook.parked:{webhook}:{at:%F}", facts, at)


def _disabled_webhooks(db: Session) -> Iterator[Told]:
    query = select(AuditEntry.id, AuditEntry.subject, AuditEntry.why, AuditEntry.at).where(
        AuditEntry.type == "webhook.disabled", AuditEntry.at > func.now() - RECENT
    )
    for row in db.execute(query.limit(MOST)):
        facts = {"webhook": row.subject, "reason": row.why}
        yield Told("webhook.disabled", f"webhook.disabled:{row.id}", facts, row.at)


def _breakers(db: Session) -> Iterator[Told]:
    now = clock(db)
    for breaker in open_breakers(db):
        opened = select(func.max(AuditEntry.at)).where(
            AuditEntry.subject == breaker.url, AuditEntry.type == "breaker.opened"
        )
        since = db.scalar(opened)
        if since is None or now - since < AWAY:
            continue
        facts = {"url": breaker.url, "minutes": (now - since) // MINUTE, "reason": breaker.reason}
        yield Told("scm.unreachable", f"scm:{breaker.url}:{since.isoformat()}", facts, since)


def _parts(db: Session) -> Iterator[Told]:
    def told(row: Heartbeat) -> Told:
        facts = {"place": row.place, "seen_at": minute(row.seen_at)}
        return Told("part.stopped", f"part:{row.id}", facts, row.seen_at)

    yield from (told(row) for row in stale_parts(db) if clock(db) - row.seen_at > UNSEEN)


def _queues(db: Session) -> Iterator[Told]:
    now = clock(db)
    for each in stuck_queues(db, STUCK):
        since = now - each.oldest
        facts = {"queue": each.queue, "count": each.count, "minutes": each.oldest // MINUTE}
        yield Told("queue.stuck", f"queue:{each.queue}:{since.isoformat()}", facts, since)


def _parked_messages(db: Session) -> Iterator[Told]:
    parked = select(func.count(), func.max(Outbox.parked_at), func.max(Outbox.last_error))
    count, at, why = db.execute(parked.where(Outbox.parked_at > func.now() - RECENT)).one()
    if count and at is not None:
        facts = {"count": count, "reason": why}
        yield Told("outbox.parked", f"outbox.parked:{at:%F}", facts, at)


def _parked_notices(db: Session) -> Iterator[Told]:
    parked = (
        select(NoticeRoute.id, NoticeRoute.name, NoticeRoute.last_error)
        .add_columns(func.count(), func.max(Notice.parked_at))
        .join(Notice, Notice.route_id == NoticeRoute.id)
        .where(Notice.parked_at > func.now() - RECENT)
        .group_by(NoticeRoute.id)
    )
    for route_id, name, why, count, at in db.execute(parked):
        facts = {"route": name, "count": count, "reason": why}
        key = f"notify.parked:{route_id}:{at:%F}"
        yield Told("notify.parked", key, facts, at, not_by=route_id)


FINDERS: dict[str, Callable[[Session], Iterator[Told]]] = {
    "auto_renew.failed": _auto_renewal,
    "audit.broken": _audit,
    "dead_letter": _dead_letters,
    "approval.waiting": _approvals,
    "webhook.parked": _parked_deliveries,
    "webhook.disabled": _disabled_webhooks,
    "scm.unreachable": _breakers,
    "part.stopped": _parts,
    "queue.stuck": _queues,
    "outbox.parked": _parked_messages,
    "notify.parked": _parked_notices,
}
