"""Tests of storms: many news are few messages, each with its count, and none is lost."""

from datetime import timedelta

from certline.models import CommandStatus
from certline.models.notices.event_news import OF_EVENTS
from tests.integration.notices.conftest import Office
from tests.support.mail_server import MailServer, text_of

HOUR = timedelta(hours=1)


def subjects(mail: MailServer) -> list[str]:
    """Return the subjects of the mails, without the program's name."""
    return [str(each["subject"]).removeprefix("certline: ") for each in mail.mails]


def test_a_storm_of_500_is_one_message_with_its_count(office: Office, mail: MailServer) -> None:
    office.add(mail.url)
    office.tell("order.review", count=500)
    for _ in range(5):
        office.go()

    [sent] = mail.mails
    text = text_of(sent)
    assert subjects(mail) == ["CRITICAL: 500 orders in review"]
    assert "500 times between" in text
    assert "certline order list --status review" in text
    assert all(each.sent_at for each in office.notices())
    assert len({each.message_id for each in office.notices()}) == 1
    assert [each.status for each in office.commands()] == [CommandStatus.DONE]


def test_what_comes_within_the_first_seconds_is_told_together(
    office: Office, mail: MailServer
) -> None:
    office.add(mail.url)
    office.tell(common_name="a.example")
    assert office.run() == 0
    office.tell(common_name="b.example")
    office.go()

    assert subjects(mail) == ["CRITICAL: 2 orders in review"]
    assert "a.example, b.example" in text_of(mail.mails[0])


def test_a_storm_that_goes_on_is_told_less_and_less_often(office: Office, mail: MailServer) -> None:
    office.add(mail.url)
    for _ in range(60):
        office.tell()
        office.go(timedelta(minutes=1))
    counts = [int(each.split()[1]) for each in subjects(mail) if each.split()[1].isdigit()]

    assert 4 <= len(mail.mails) <= 8
    assert max(counts) >= 14
    office.go(HOUR)
    told = {each.message_id for each in office.notices()}
    assert len(told) == len(mail.mails)
    assert None not in told


def test_the_grave_is_told_first_and_each_kind_by_itself(office: Office, mail: MailServer) -> None:
    office.add(mail.url)
    office.tell("order.held", common_name="a.example")
    office.tell("account.suspended", account="hafen")
    office.go()

    assert subjects(mail) == [
        "CRITICAL: account suspended: hafen",
        "WARNING: order held: a.example",
    ]


def test_no_more_messages_an_hour_than_wanted_and_what_is_more_is_summed_up(
    office: Office, mail: MailServer
) -> None:
    office.add(mail.url, at_most=2)
    kinds = ("order.held", "account.suspended", "license.exhausted", "certificate.revoked")
    for kind in kinds:
        office.tell(kind)
    office.go()

    assert len(mail.mails) == 2
    summary = mail.mails[1]
    assert "3 pieces of news of 3 kinds" in str(summary["subject"])
    assert "- order held" in text_of(summary)
    assert "certline license show" in text_of(summary)

    office.tell("order.review")
    office.go()
    assert len(mail.mails) == 2
    [*_, open_one] = office.commands()
    assert open_one.status is CommandStatus.QUEUED

    office.go(HOUR)
    assert len(mail.mails) == 3
    assert all(each.sent_at for each in office.notices())


def test_news_of_another_kind_do_not_wait_for_the_pause_of_the_first(
    office: Office, mail: MailServer
) -> None:
    office.add(mail.url)
    for _ in range(4):
        office.tell("order.held")
        office.go(timedelta(minutes=6))
    office.tell("order.held")
    office.go()  # it waits for its pause now
    before = len(mail.mails)
    office.tell("account.suspended", account="hafen")
    office.go()

    assert subjects(mail)[before:] == ["CRITICAL: account suspended: hafen"]
    assert {each.kind for each in office.notices() if each.sent_at is None} == {"order.held"}


def test_every_kind_of_event_can_be_told_alone_and_together(
    office: Office, mail: MailServer
) -> None:
    office.add(mail.url)
    for kind in OF_EVENTS:
        office.tell(kind)
    office.go()
    for kind in OF_EVENTS:
        office.tell(kind, count=2)
    office.go(HOUR)

    assert all("?" not in text_of(each) for each in mail.mails)
    assert len(mail.mails) >= 2 * len(OF_EVENTS)
