"""Tests of the daily digest: what was renewed, what will be, and what waits for a person."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models import (
    Account,
    AccountStatus,
    DeadLetter,
    Notice,
    Order,
    OrderKind,
    OrderStatus,
    Schedule,
)
from certline.models.database.session import clock
from certline.models.notices.digest import digest, send_digests
from certline.producers.schedule import jobs, tick
from tests.integration.notices.conftest import Office
from tests.support.factories import a_certificate, an_account, an_order
from tests.support.mail_server import MailServer, text_of

DAY = timedelta(days=1)


def stored(db: Session, account: Account) -> Order:
    """Insert an order whose certificate is stored."""
    return an_order(db, account, status=OrderStatus.STORED)


def test_a_quiet_day_says_so_in_a_line(office: Office, mail: MailServer) -> None:
    office.add(mail.url, digest=True)
    with office.database.transaction() as db:
        assert send_digests(db) == {"digests": 1}
    office.run()

    [sent] = mail.mails
    assert sent["subject"] == "certline: 0 renewed, 0 planned, nothing waits for a person"
    assert (
        "Nothing was renewed.\n\nNo renewal is planned.\n\nNothing waits for a person."
        in text_of(sent)
    )


def test_a_digest_names_what_was_renewed_what_will_be_and_what_waits_with_what_to_type(
    office: Office, mail: MailServer
) -> None:
    office.add(mail.url, digest=True)
    with office.database.transaction() as db:
        now = clock(db)
        account = an_account(db, name="hafen nord", status=AccountStatus.SUSPENDED)
        life = {"not_before": now - 30 * DAY, "not_after": now + 60 * DAY}
        old = a_certificate(db, stored(db, account), common_name="old.example", **life)
        renewal = an_order(
            db,
            account,
            kind=OrderKind.RENEWAL,
            status=OrderStatus.STORED,
            common_name="new.example",
            predecessor_id=old.id,
        )
        a_certificate(db, renewal, common_name="new.example", **life)
        # What a renewal becomes if its profile allows none, and one that was made in SCM's portal.
        for kind, name in ((OrderKind.NEW, "anew.example"), (OrderKind.IMPORT, "import.example")):
            successor = {"kind": kind, "common_name": name, "predecessor_id": old.id}
            order = an_order(db, account, status=OrderStatus.STORED, **successor)
            a_certificate(db, order, common_name=name, **life)
        a_certificate(
            db,
            stored(db, account),
            common_name="soon.example",
            auto_renew=True,
            renews_at=now + 2 * DAY,
            **life,
        )
        last = a_certificate(
            db,
            stored(db, account),
            common_name="end.example",
            not_before=now - 80 * DAY,
            not_after=now + 5 * DAY,
        )
        an_order(db, account, status=OrderStatus.REVIEW)
        an_order(db, account, status=OrderStatus.HELD)
        db.add(DeadLetter(source="q", reason="no", body_sealed=b"", sha256=""))
        send_digests(db)
    office.run()

    [sent] = mail.mails
    text = text_of(sent)
    assert sent["subject"] == "certline: 2 renewed, 1 planned, 5 wait for a person"
    assert "2 renewed or reissued since yesterday: new.example, anew.example." in text
    assert "1 renewed within 7 days, by themselves: soon.example." in text
    assert "1 certificates end soon with nothing under way" in text
    assert f"certline certificate renew {last.id}" in text
    assert "certline account verify 'hafen nord' --new-password" in text
    assert (
        "1 orders with an unclear outcome (review)\n    certline order list --status review" in text
    )
    assert "certline license show" in text
    assert "certline dead-letter list" in text


def test_a_digest_of_many_names_the_first_and_counts_the_rest(office: Office) -> None:
    with office.database.transaction() as db:
        now = clock(db)
        account = an_account(db)
        for number in range(9):
            a_certificate(
                db,
                stored(db, account),
                common_name=f"{number}.example",
                auto_renew=True,
                renews_at=now + DAY,
                not_before=now - 30 * DAY,
                not_after=now + 60 * DAY,
            )
        found = digest(db)

    assert found.planned[0] == 9
    assert len(found.planned[1]) == 5
    assert "and 4 more" in found.text


def test_the_schedule_sends_one_a_day_to_whoever_wants_it(office: Office, mail: MailServer) -> None:
    office.add(mail.url, name="digest", digest=True)
    office.add(mail.url, "order.*", name="news")
    with office.database.transaction() as db:
        schedule = db.get_one(Schedule, "digest")
        assert (schedule.cron, schedule.tz, schedule.enabled) == ("0 6 * * *", "UTC", True)
        assert schedule.next_due > clock(db)
        schedule.next_due = clock(db)
    assert "digest" in tick(office.database, DAY)
    assert "digest" not in tick(office.database, DAY)
    office.run()

    assert len(mail.mails) == 1
    with office.database.transaction() as db:
        assert db.scalars(select(Notice.kind)).all() == ["digest"]
        assert db.get_one(Schedule, "digest").next_due - clock(db) <= DAY
    assert "digest" in jobs(DAY)


def test_a_digest_is_no_severe_news_and_needs_no_kinds(office: Office, mail: MailServer) -> None:
    route = office.add(mail.url, digest=True)
    office.tell("account.suspended")

    assert (route.kinds, office.notices()) == ([], [])
