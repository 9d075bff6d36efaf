"""Tests of news that no event reports: found by the sweep, and told once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, update
from sqlalchemy.orm import Session

from certline.models import (
    Approval,
    AuditEntry,
    AuditPatrol,
    AutoRenewSetting,
    Breaker,
    Command,
    CommandStatus,
    CommandType,
    DeadLetter,
    Heartbeat,
    Outbox,
)
from certline.models.accounts.breaker import MOST_FAILURES, failed
from certline.models.audit.identity import RELAY, Identity
from certline.models.audit.log import record
from certline.models.commands.approval import Guard, ask
from certline.models.commands.command import accept
from certline.models.database.session import clock
from certline.models.notices.kind import Severity
from certline.producers.notices.news import FINDERS, tell_news
from certline.producers.sweep import sweep
from tests.integration.notices.conftest import Office
from tests.support.factories import an_account
from tests.support.mail_server import MailServer, text_of

HOUR = timedelta(hours=1)
WHO = Identity("os:ida")


def a_letter(db: Session) -> None:
    db.add(DeadLetter(source="certline.commands", reason="no JSON", body_sealed=b"", sha256=""))


def an_approval(db: Session) -> None:
    ask(db, Guard.EXPORT_KEY, "export the key of a.example", WHO)


def a_parked_delivery(db: Session) -> None:
    payload = {"webhook": "01HOOK", "event": {"id": "1", "type": "order.held"}}
    command, _ = accept(
        db, CommandType.WEBHOOK, payload, requested_by=RELAY, source="certline", subject="01HOOK"
    )
    command.status, command.error = CommandStatus.REVIEW, "it answered with status 500"


def a_disabled_webhook(db: Session) -> None:
    record(db, "webhook.disabled", "01HOOK", who=RELAY, why="it answered with status 410")


def an_scm_that_is_away(db: Session) -> None:
    for _ in range(MOST_FAILURES):
        failed(db, "https://scm.example/api", "it does not answer")
    db.flush()
    # What was written may not be changed, so the entry is made older as it is written.
    db.execute(func.set_config("session_replication_role", "replica", True).select())
    db.execute(
        update(AuditEntry)
        .where(AuditEntry.type == "breaker.opened")
        .values(at=func.now() - HOUR / 2)
    )
    db.execute(func.set_config("session_replication_role", "origin", True).select())
    db.execute(update(Breaker).values(open_until=func.now() + HOUR))


def a_killed_worker(db: Session) -> None:
    row = {"id": "1", "part": "worker", "host": "box", "pid": 7, "version": "1", "every": 5.0}
    db.add(Heartbeat(**row, queues=[], keys=[], seen_at=clock(db) - HOUR / 2))


def a_stuck_queue(db: Session) -> None:
    command, _ = accept(db, CommandType.SYNC, {}, requested_by=WHO, source="cli")
    command.not_before = clock(db) - HOUR


def a_refused_message(db: Session) -> None:
    db.add(
        Outbox(
            event_id="0190aaaa-0000-7000-8000-000000000000",
            exchange="",
            routing_key="q",
            body={},
            parked_at=clock(db),
            last_error="too large",
        )
    )


def a_late_auto_renewal(db: Session) -> None:
    account = an_account(db)
    db.add(
        AutoRenewSetting(
            account_id=account.id,
            enabled=True,
            days=30,
            changed_by="os:ida",
            changed_at=clock(db) - 30 * HOUR,
        )
    )


def a_broken_log(db: Session) -> None:
    db.execute(update(AuditPatrol).values(broken="entry 7 of lane 0 was changed"))


WORLD: dict[str, tuple[Callable[[Session], None], str]] = {
    "audit.broken": (a_broken_log, "does not hold: entry 7 of lane 0 was changed."),
    "dead_letter": (a_letter, "A message from certline.commands could not be accepted: no JSON."),
    "approval.waiting": (an_approval, "os:ida has asked for: export the key of a.example."),
    "webhook.parked": (a_parked_delivery, "1 deliveries to webhook 01HOOK are parked"),
    "webhook.disabled": (a_disabled_webhook, "The webhook 01HOOK was disabled: it answered"),
    "scm.unreachable": (an_scm_that_is_away, "has not answered for 30 minutes: it does not"),
    "part.stopped": (a_killed_worker, "The worker on box (pid 7) was last seen at"),
    "queue.stuck": (a_stuck_queue, "1 commands wait in certline.bulk, the oldest for 60 minutes"),
    "outbox.parked": (a_refused_message, "1 messages were refused by RabbitMQ again and again"),
    "auto_renew.failed": (a_late_auto_renewal, "No run of auto-renewal has ended since"),
}


@pytest.mark.parametrize("kind", WORLD)
def test_what_no_event_reports_is_told_once(office: Office, mail: MailServer, kind: str) -> None:
    make, words = WORLD[kind]
    office.add(mail.url, kind)
    with office.database.transaction() as db:
        make(db)
    told = [told_by_the_sweep(office) for _ in range(3)]
    office.go()

    [sent] = mail.mails
    text = " ".join(text_of(sent).split())
    assert told == [1, 0, 0]
    assert words in text
    assert "To type: certline " in text


def told_by_the_sweep(office: Office) -> int:
    """Sweep, and return the number of new notices."""
    with office.database.transaction() as db:
        return sweep(db, timedelta(minutes=15))["told"]


def test_each_kind_of_such_news_is_tried_here() -> None:
    assert set(WORLD) | {"notify.parked"} == set(FINDERS)  # test_trouble.py has that one


# The others go on until somebody does something.
PAST = [each for each in WORLD if each.startswith(("dead", "approval", "webhook", "outbox"))]


@pytest.mark.parametrize("kind", PAST)
def test_what_is_over_for_days_is_no_news(office: Office, mail: MailServer, kind: str) -> None:
    office.add(mail.url, "*")
    with office.database.transaction() as db:
        WORLD[kind][0](db)
        db.flush()
        age(db)

    assert told_by_the_sweep(office) == 0


def age(db: Session) -> None:
    """Make everything that waits five days old."""
    days = timedelta(days=5)
    columns: list[Any] = [DeadLetter.received_at, Approval.requested_at, Outbox.parked_at]
    columns += [AuditEntry.at, Command.touched_at]
    db.execute(func.set_config("session_replication_role", "replica", True).select())
    for column in columns:
        db.execute(update(column.class_).values({column: column - days}))
    db.execute(func.set_config("session_replication_role", "origin", True).select())


def test_without_a_route_nothing_is_looked_for(office: Office) -> None:
    with office.database.transaction() as db:
        a_letter(db)
        assert tell_news(db) == 0


def test_only_what_a_route_wants_is_looked_for(
    office: Office, mail: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_db: Session) -> Any:
        raise AssertionError

    office.add(mail.url, "dead_letter", severity=Severity.CRITICAL)
    for kind in FINDERS:
        if kind != "dead_letter":
            monkeypatch.setitem(FINDERS, kind, never)
    with office.database.transaction() as db:
        a_letter(db)

        assert tell_news(db) == 0  # its severity is too low
