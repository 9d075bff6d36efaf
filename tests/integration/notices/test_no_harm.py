"""Tests that telling people harms nothing else: not the sweep, not the relay, not the other routes."""

from typing import Any

import pytest
from sqlalchemy import func, select

from certline.models import Notice, Outbox
from certline.models.database.session import clock
from certline.models.notices import notice as notice_module
from certline.models.notices.notice import Told, tell
from certline.models.notices.route import routes
from certline.models.settings import Settings
from certline.producers import relay as relay_module
from certline.producers import sweep as sweep_module
from certline.producers.notices.routes import remove_route
from certline.producers.sweep import sweep
from tests.integration.notices.conftest import WHO, Office
from tests.support.mail_server import MailServer

# Nobody listens there.
URL = "json://127.0.0.1:9"


def broken(*_: object) -> Any:
    raise KeyError("a kind of news without words")


def count_of_notices(office: Office) -> int:
    with office.database.transaction() as db:
        return db.scalar(select(func.count()).select_from(Notice)) or 0


def test_a_fault_in_the_news_does_not_stop_the_sweep(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, "tell_news", broken)

    with office.database.transaction() as db:
        counts = sweep(db, Settings().settle)

    assert counts["told"] == 0


def test_a_fault_in_the_news_does_not_have_a_batch_published_for_ever(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.add(URL)
    monkeypatch.setattr(relay_module, "hand_to_routes", broken)

    office.tell()

    with office.database.transaction() as db:
        assert list(db.scalars(select(Outbox.id).where(Outbox.sent_at.is_(None)))) == []


def test_more_news_than_one_statement_takes_are_told(office: Office) -> None:
    for number in range(12):
        office.add(URL, "dead_letter", name=f"route-{number}")
    with office.database.transaction() as db:
        news = [Told("dead_letter", f"dead_letter:{n}", {"id": n}, clock(db)) for n in range(1_000)]
        told = tell(db, news)

    assert told == count_of_notices(office) == 12_000


def test_a_route_that_is_removed_meanwhile_costs_the_others_nothing(
    office: Office, mail: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.add(URL, name="removed")
    office.add(mail.url, name="stays")
    with office.database.transaction() as db:
        seen = routes(db)
    remove_route(office.database, "removed", who=WHO)
    monkeypatch.setattr(notice_module, "routes", lambda _: seen)

    office.tell()

    assert count_of_notices(office) == 1
