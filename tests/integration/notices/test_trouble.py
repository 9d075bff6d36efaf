"""Tests of services that do not take messages: tried again, parked, listed, and nothing lost or told twice."""

import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event

import pytest
from sqlalchemy import func, update

from certline.models import CommandStatus, CommandType, NoticeRoute
from certline.models.audit.identity import Identity
from certline.models.audit.log import history
from certline.models.notices import delivery
from certline.models.notices.delivery import LEASE, PATIENCE, PAUSES
from certline.models.notices.notice import Told, notices_parked, tell
from certline.models.notices.route import routes_failing
from certline.producers.notices.news import tell_news
from certline.producers.notices.routes import remove_route, retry_route
from certline.workers.runtime.step import run
from certline.workers.steps import notify
from tests.integration.notices.conftest import Office
from tests.support.mail_server import MailServer
from tests.support.step_process import begin, stepping
from tests.unit.scm.odd_server import OddServer, Seen, http

TAKEN, AWAY = http("204 No Content"), http("503 Service Unavailable")
WHO = Identity("os:ida")


def as_service(receiver: OddServer) -> str:
    """Return the URL by which notices are posted to a receiver, with a secret in it."""
    return receiver.url.replace("http://", "json://ida:geheim@") + "/token-4711"


def figures(office: Office) -> tuple[int, int]:
    """Return the numbers of parked notices and of failing routes."""
    with office.database.transaction() as db:
        return notices_parked(db), routes_failing(db)


def test_what_is_not_taken_is_tried_again_later_and_later_and_told_once(office: Office) -> None:
    with OddServer([AWAY, AWAY, TAKEN]) as receiver:
        office.add(as_service(receiver))
        office.tell()
        office.go()

        route = office.route()
        [command] = office.commands()
        assert (route.failures, route.last_error) == (1, "it answered with status 503")
        assert command.status is CommandStatus.QUEUED
        assert command.not_before - command.touched_at >= PAUSES[0]
        assert figures(office) == (0, 1)
        assert office.go(PAUSES[0] - timedelta(seconds=2)) == 0
        assert office.go(PAUSES[0]) == 1
        assert office.route().failures == 2
        office.go(PAUSES[1])

    assert len(receiver.seen) == 3
    assert office.route().failures == 0
    assert office.route().last_error is None
    assert figures(office) == (0, 0)
    assert all(each.sent_at for each in office.notices())


def test_more_news_do_not_hurry_a_service_that_fails(office: Office) -> None:
    with OddServer([AWAY]) as receiver:
        office.add(as_service(receiver))
        office.tell()
        for pause in PAUSES[:4]:
            office.go(max(pause, timedelta(seconds=11)))
        before = len(receiver.seen)
        office.tell("account.suspended")

        assert office.go() == 0
        assert len(receiver.seen) == before == 4


def test_a_service_that_fails_for_a_day_has_its_notices_parked_until_somebody_says_so(
    office: Office,
) -> None:
    answers = [AWAY]
    with OddServer([lambda _seen: answers[-1]]) as receiver:
        office.add(as_service(receiver))
        office.add("json://127.0.0.1:1", "notify.parked", name="others")
        office.tell(count=3)
        office.go()
        office.go(PATIENCE + timedelta(minutes=1))
        [command] = [each for each in office.commands() if each.subject == office.route().id]

        assert figures(office) == (3, 1)
        assert command.status is CommandStatus.DONE
        with office.database.transaction() as db:
            [parked] = [each for each in history(db, "ops") if each.type == "notify.parked"]
            assert tell_news(db) == 1  # the other route is told, this one could not be
            assert tell_news(db) == 0
        assert parked.data["count"] == 3
        answers.append(TAKEN)

        assert retry_route(office.database, "ops", who=WHO) == 3
        office.run()

    assert figures(office)[0] == 0
    assert "3 orders in review" in receiver.seen[-1].body.decode()
    assert retry_route(office.database, "ops", who=WHO) == 0


def test_a_url_that_no_key_opens_is_a_failure_of_the_route(
    office: Office, mail: MailServer
) -> None:
    office.add(mail.url)
    office.tell()
    with office.database.transaction() as db:
        db.execute(update(NoticeRoute).values(url_sealed=b"gAAAAnothing"))
    office.go()

    assert "cannot be read with the secret keys" in str(office.route().last_error)
    assert office.commands()[0].status is CommandStatus.QUEUED


def test_a_worker_that_is_killed_between_sending_and_storing_sends_one_message_again(
    office: Office,
) -> None:
    asked, go_on = Event(), Event()

    def wait(_seen: Seen) -> bytes:
        asked.set()
        go_on.wait(30)
        return TAKEN

    with OddServer([TAKEN, wait, TAKEN]) as receiver:
        office.add(as_service(receiver))
        for kind in ("account.suspended", "order.held", "license.expiring"):
            office.tell(kind)
        office.let_pass()
        with stepping(office.database.url, office.key, CommandType.NOTIFY, office.due()) as process:
            begin(process)
            assert asked.wait(30)  # the second message has arrived, its answer has not
            process.send_signal(signal.SIGKILL)
            process.wait()
        go_on.set()
        assert sum(each.sent_at is not None for each in office.notices()) == 1

        # RabbitMQ delivers the message of a dead worker again: it might be sending still.
        [command] = office.commands()
        notify_again(office, command.id)
        assert len(receiver.seen) == 2
        office.let_pass(LEASE)
        notify_again(office, command.id)

        kinds = [str(seen.json()["title"]) for seen in receiver.seen]  # type: ignore[index]
    assert len(kinds) == 4
    assert kinds[1] == kinds[2]
    assert len(set(kinds)) == 3
    assert all(each.sent_at for each in office.notices())
    assert office.commands()[0].status is CommandStatus.DONE


def test_a_second_message_of_a_command_that_is_sending_sends_nothing(office: Office) -> None:
    def meanwhile(_seen: Seen) -> bytes:
        [command] = office.commands()
        notify_again(office, command.id)
        return TAKEN

    with OddServer([meanwhile]) as receiver:
        office.add(as_service(receiver))
        office.tell()
        office.go()

    assert len(receiver.seen) == 1
    assert office.commands()[0].status is CommandStatus.DONE


def notify_again(office: Office, command_id: str) -> None:
    """Run the step of a command, as a worker does that is given its message."""
    run(office.line, notify.STEP, command_id)


def test_a_clock_that_was_set_back_does_not_keep_a_route_from_sending(
    office: Office, mail: MailServer
) -> None:
    office.add(mail.url)
    office.tell()
    with office.database.transaction() as db:
        later = func.now() + timedelta(hours=5)
        db.execute(update(NoticeRoute).values(sending_until=later))
    office.go()

    assert len(mail.mails) == 1


def test_news_that_come_while_their_route_is_being_told_are_not_left_behind(
    office: Office, monkeypatch: pytest.MonkeyPatch, mail: MailServer
) -> None:
    office.add(mail.url)
    office.tell("order.review")
    settle = delivery.settle

    def settled(*given: object, **named: object) -> None:
        settle(*given, **named)  # type: ignore[arg-type]  # as they were given

    def more_first(*given: object, **named: object) -> None:
        monkeypatch.setattr(notify, "settle", settled)
        office.tell("account.suspended")
        settle(*given, **named)  # type: ignore[arg-type]  # as they were given

    monkeypatch.setattr(notify, "settle", more_first)
    office.go()
    assert len(mail.mails) == 1

    office.go()

    assert len(mail.mails) == 2
    assert len(office.commands()) == 1


def test_news_that_come_while_the_command_ends_begin_another_one(
    office: Office, mail: MailServer
) -> None:
    """The command's end waits for whoever stores a notice at that moment, and sees it."""
    office.add(mail.url)
    office.tell("order.review")
    office.let_pass()
    with ThreadPoolExecutor(1) as pool, office.database.transaction() as db:
        news = Told(
            "dead_letter",
            "one",
            {"id": "1", "source": "q", "reason": "no"},
            office.route().created_at,
        )
        assert tell(db, [news]) == 1
        ran = pool.submit(office.run)
        # It has sent its message, and waits for this transaction.
        while not mail.mails:
            assert not ran.done()
        db.commit()
        assert ran.result(30) == 1
    office.go()

    assert len(mail.mails) == 2


def test_a_removed_route_takes_its_notices_with_it(office: Office, mail: MailServer) -> None:
    office.add(mail.url)
    office.tell(count=2)

    assert remove_route(office.database, "ops", who=WHO) == 2

    assert office.notices() == []
    assert office.commands()[0].status is CommandStatus.FAILED
    assert office.go() == 0
    assert mail.mails == []


def test_notices_that_crashed_their_worker_again_and_again_are_tried_once_an_hour(
    office: Office, mail: MailServer
) -> None:
    office.add(mail.url)
    office.tell()
    [stopped] = office.commands()
    with office.database.transaction() as db:
        row = db.merge(stopped)
        row.status = CommandStatus.REVIEW
    office.let_pass(timedelta(minutes=1))
    with office.database.transaction() as db:
        assert tell_news(db) == 0
    assert office.due() == []

    office.tell("order.held")  # more news do not hurry it
    assert office.due() == []
    office.let_pass(timedelta(hours=1))
    office.go()

    assert len(mail.mails) == 2
    assert office.notices()[0].sent_at is not None
