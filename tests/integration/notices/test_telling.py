"""Tests of what is told: each piece of news once, in words that say what happened, what it means, what to type."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from certline.models import CommandStatus, Notice, Outbox
from certline.models.events.outbox import emit_event, send_last_event_again
from certline.models.notices.kind import Severity
from certline.models.notices.notice import KEPT, hand_to_routes
from certline.producers.retention import Keep, Retention
from tests.integration.notices.conftest import Office
from tests.support.documented_events import some
from tests.support.mail_server import MailServer, text_of
from tests.unit.scm.odd_server import OddServer, http

ID = "0190aaaa-0000-7000-8000-000000000000"
TAKEN = http("204 No Content")


def test_a_mail_says_what_happened_what_it_means_and_what_to_type(
    office: Office, mail: MailServer
) -> None:
    office.add(mail.url, "order.review")
    office.tell(common_name="shop.nordhafen.example", order_id="01JORDER", reason="no answer")
    office.go()

    [sent] = mail.mails
    text = text_of(sent)
    assert sent["subject"] == "certline: CRITICAL: order in review: shop.nordhafen.example"
    assert sent["to"] == "ops@nordhafen.example"
    assert "The outcome of the order for shop.nordhafen.example is unclear: no answer." in text
    assert "nothing goes on until a person decides" in text
    assert "To type:\n  certline order show 01JORDER\n" in text
    assert "  certline order resolve 01JORDER --resend\n" in text
    [command] = office.commands()
    assert (command.status, command.result) == (CommandStatus.DONE, {"messages": 1})


def test_a_receiver_of_http_gets_title_text_and_severity(office: Office) -> None:
    with OddServer([TAKEN]) as receiver:
        office.add(receiver.url.replace("http://", "json://user:word@"), "account.*")
        office.tell("account.suspended", account="hafen", reason="401")
        office.go()

    [seen] = receiver.seen
    body = json.loads(seen.body)
    assert body["type"] == "failure"
    assert body["title"] == "certline: CRITICAL: account suspended: hafen"
    assert "certline account verify hafen --new-password" in body["message"]


def test_each_route_is_told_what_it_wants_from_its_severity_on(
    office: Office, mail: MailServer
) -> None:
    office.add(mail.url, "order.*", name="all")
    office.add(mail.url, "*", name="grave", severity=Severity.CRITICAL)
    office.add(mail.url, "license.*", "certificate.*", name="licence")
    for kind in ("order.pending", "order.review", "license.released"):
        office.tell(kind)

    with office.database.transaction() as db:
        rows = db.execute(select(Notice.route_id, Notice.kind)).all()
    told = {
        name: {kind for route_id, kind in rows if route_id == office.route(name).id}
        for name in ("all", "grave", "licence")
    }
    assert told == {
        "all": {"order.pending", "order.review"},
        "grave": {"order.review"},
        "licence": {"license.released"},
    }


def test_an_event_that_is_published_again_is_told_once(office: Office, mail: MailServer) -> None:
    office.add(mail.url)
    with office.database.transaction() as db:
        emit_event(db, some("order.review"), subject="01J", correlation_id=ID)
    office.relay.pump()
    office.go()
    with office.database.transaction() as db:
        assert send_last_event_again(db, ID) == "order.review"

    office.relay.pump()
    office.go()

    assert len(mail.mails) == len(office.notices()) == 1


def test_what_was_told_is_forgotten_after_a_week_and_not_told_again_then(
    office: Office, mail: MailServer
) -> None:
    office.add(mail.url)
    with office.database.transaction() as db:
        emit_event(db, some("order.review"), subject="01J", correlation_id=ID)
    office.relay.pump()
    office.go()
    old = KEPT + timedelta(minutes=1)
    office.let_pass(old)
    with office.database.transaction() as db:
        db.execute(update(Outbox).values(created_at=Outbox.created_at - old))
    assert Retention(office.database, Keep()).go_on()["notices"] == 1
    with office.database.transaction() as db:
        send_last_event_again(db, ID)

    office.relay.pump()

    assert office.notices() == []


def test_a_route_hears_of_what_happens_after_it_was_added(office: Office, mail: MailServer) -> None:
    with office.database.transaction() as db:
        emit_event(db, some("order.review"), subject="01J", correlation_id=None)
    office.add(mail.url)

    office.relay.pump()

    assert office.notices() == []


def test_a_relay_that_dies_before_its_commit_has_told_nothing_and_the_next_one_does_once(
    office: Office, mail: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.add(mail.url)

    def hand_over_and_die(*given: object) -> None:
        hand_to_routes(*given)  # type: ignore[arg-type]  # as they were given
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("certline.producers.relay.hand_to_routes", hand_over_and_die)
        with pytest.raises(KeyboardInterrupt):
            office.tell()
    assert office.notices() == []

    office.relay.pump()

    assert len(office.notices()) == 1


def test_a_run_that_refuses_certificates_is_told_as_a_failure_to_whom_wants_that(
    office: Office, mail: MailServer
) -> None:
    office.add(mail.url, "auto_renew.failed", name="failures")
    office.add(mail.url, "auto_renew.completed", name="runs")
    refusals = [{"certificate_id": "01J", "common_name": "a.example", "reason": "no domain"}]
    office.tell("auto_renew.completed", due=3, refused=1, failed=0, refusals=refusals)
    office.tell("auto_renew.completed", due=3, refused=0, failed=0, refusals=[])
    office.go()

    subjects = sorted(str(each["subject"]) for each in mail.mails)
    [failure] = [each for each in mail.mails if "CRITICAL" in str(each["subject"])]
    assert [each.kind for each in office.notices()].count("auto_renew.failed") == 1
    assert subjects[0] == "certline: 2 runs of auto-renewal"
    assert failure["subject"] == "certline: CRITICAL: auto-renewal: 1 refused, 0 failed"
    assert "1 refused, 0 failed: a.example (no domain)" in text_of(failure)


def test_a_hook_that_fails_is_told_as_one(office: Office, mail: MailServer) -> None:
    office.add(mail.url, "hook.failed")
    office.tell("command.failed", type="hook", command_id=ID, error="exit code 1")
    office.tell("command.failed", type="sync", command_id=ID, error="no")

    assert [each.kind for each in office.notices()] == ["hook.failed"]


def test_a_test_that_fails_is_not_news(office: Office, mail: MailServer) -> None:
    office.add(mail.url)
    office.tell("command.failed", type="notify", error="no")

    assert office.notices() == []


def test_without_routes_an_event_makes_no_notice(office: Office) -> None:
    office.tell()

    assert (office.notices(), office.commands()) == ([], [])
