"""Tests of the calendar: the year by day, one day, the what-if, and the file to subscribe to."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from certline.board.access.policy import access_policy
from certline.models import Account, AutoRenewRule, Database
from tests.integration.board.test_estate import stored
from tests.security.board_user import PASSWORD, a_users_file
from tests.support.board_window import BoardWindow, a_board
from tests.support.factories import a_domain, an_account, an_organization

TODAY = datetime.combine(datetime.now(UTC).date(), time(12), UTC)
DAY = timedelta(days=1)


def an_estate(db: Session) -> Account:
    """Store certificates that end on one day in 40, four of them on one, and one planned renewal."""
    account = an_account(db, id=1, name="hafen")
    db.add_all([an_organization(scm_id=7, name="Klinik"), an_organization(scm_id=8, name="Hafen")])
    for number in range(4):
        stored(db, account, f"host{number}.example", TODAY + 40 * DAY, 7)
    stored(
        db, account, "soon.example", TODAY + 20 * DAY, 8, auto_renew=True, renews_at=TODAY + 9 * DAY
    )
    db.add(a_domain(name="klinik.example", validation_expires=(TODAY + 5 * DAY).date()))
    return account


def test_the_year_names_its_cliffs_and_its_busiest_day(
    database: Database, board: BoardWindow
) -> None:
    with database.transaction() as db:
        an_estate(db)

    page = board.text("/calendar")

    cliff, busiest = (TODAY + 40 * DAY).date(), (TODAY + 9 * DAY).date()
    assert f"{cliff:%A} {cliff} : 4 certificates end" in page
    assert f"Busiest day of renewals: {busiest} with 1" in page
    found = board.rows("/calendar")
    assert found["cliffs"] == [{"date": cliff.isoformat(), "ends": 4}]
    days = {each["date"]: each for each in found["days"]}
    assert days[busiest.isoformat()]["renewals"] == 1
    assert days[(TODAY + 5 * DAY).date().isoformat()]["domain_validations"] == 1


def test_a_year_is_of_the_organisation_that_is_chosen(
    database: Database, board: BoardWindow
) -> None:
    with database.transaction() as db:
        an_estate(db)

    assert sum(each["ends"] for each in board.rows("/calendar?organization=8")["days"]) == 1
    assert sum(each["ends"] for each in board.rows("/calendar?organization=Klinik")["days"]) == 4
    assert board.get("/calendar?organization=nobody").status_code == 400


def test_a_what_if_names_the_busiest_day_and_its_number(
    database: Database, board: BoardWindow
) -> None:
    with database.transaction() as db:
        an_estate(db)
        db.add(AutoRenewRule(created_by="ida"))

    found = board.rows("/calendar?what_if=47")["what_if"]

    by_day = Counter({each["date"]: each["renewals"] for each in found["days"]})
    assert by_day[found["peak"]] == found["peak_orders"] == max(by_day.values())
    page = board.text("/calendar?what_if=47")
    assert (
        f"on the busiest day, {found['peak']} , there are {found['peak_orders']} renewals" in page
    )
    assert "This is of 5 certificates that are selected for auto-renewal" in page


def test_a_what_if_without_a_selection_says_of_what_it_is(
    database: Database, board: BoardWindow
) -> None:
    with database.transaction() as db:
        an_estate(db)

    assert "all active ones, because none is selected" in board.text("/calendar?what_if=100")


def test_a_day_opens_its_list(database: Database, board: BoardWindow) -> None:
    with database.transaction() as db:
        an_estate(db)
    cliff, renewal = ((TODAY + days * DAY).date() for days in (40, 9))

    assert f'href="/calendar/{cliff}"' in board.get("/calendar").text
    names = [each["common_name"] for each in board.rows(f"/calendar/{cliff}")["ends"]]
    assert names == [f"host{number}.example" for number in range(4)]
    assert "soon.example" in board.text(f"/calendar/{renewal}")
    (domain,) = board.rows(f"/calendar/{(TODAY + 5 * DAY).date()}")["domain_validations"]
    assert domain["name"] == "klinik.example"


def test_what_is_no_day_is_not_found(board: BoardWindow) -> None:
    for wrong in ("2027-02-30", "tomorrow", "0001-01-01"):
        assert board.get(f"/calendar/{wrong}").status_code == 404


def test_an_empty_year_says_so(board: BoardWindow) -> None:
    assert "Nothing ends and nothing is renewed in the coming year" in board.text("/calendar")


def unfolded(text: str) -> list[str]:
    """Return the lines of a calendar file, each whole."""
    return text.replace("\r\n ", "").split("\r\n")


def test_the_calendar_to_subscribe_to_has_an_event_for_each_day(
    database: Database, board: BoardWindow
) -> None:
    with database.transaction() as db:
        an_estate(db)

    answer = board.get("/calendar.ics")

    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    raw = answer.content.decode()
    assert all(len(line.encode()) <= 75 for line in raw.split("\r\n"))
    lines = unfolded(raw)
    assert (lines[0], lines[-2:]) == ("BEGIN:VCALENDAR", ["END:VCALENDAR", ""])
    summaries = [line.removeprefix("SUMMARY:") for line in lines if line.startswith("SUMMARY:")]
    assert summaries == [
        "1 certificate ends: soon.example",
        "4 certificates end",
        "1 certificate is renewed: soon.example",
        "1 domain validation ends: klinik.example",
    ]
    assert "DESCRIPTION:host0.example\\nhost1.example\\nhost2.example\\nhost3.example" in lines
    begin = f"DTSTART;VALUE=DATE:{TODAY + 40 * DAY:%Y%m%d}"
    assert begin in lines
    uids = [line for line in lines if line.startswith("UID:")]
    assert len(set(uids)) == 4
    assert uids == [
        line for line in unfolded(board.get("/calendar.ics").text) if line[:4] == "UID:"
    ]


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_the_events_lead_to_the_board_as_its_proxy_is_called(
    database: Database, database_url: str, tmp_path: Path, scheme: str
) -> None:
    with database.transaction() as db:
        an_estate(db)
    access = access_policy("0.0.0.0", a_users_file(tmp_path), None, ["127.0.0.1"])  # noqa: S104
    sent = {"Host": "pki.hafen.example", "X-Forwarded-Proto": scheme}
    with a_board(database_url, access) as window:
        answer = window.get("/calendar.ics", headers=sent, auth=("anna", PASSWORD))

    urls = [line for line in unfolded(answer.text) if line.startswith("URL:")]
    assert urls
    assert all(each.startswith(f"URL:{scheme}://pki.hafen.example/calendar/") for each in urls)


def test_the_calendar_of_an_organisation_has_events_of_its_own(
    database: Database, board: BoardWindow
) -> None:
    with database.transaction() as db:
        an_estate(db)

    both, ours = board.get("/calendar.ics").text, board.get("/calendar.ics?organization=7").text

    assert "soon.example" not in ours
    own = {line for line in unfolded(ours) if line.startswith("UID:")}
    assert own
    assert not own & set(unfolded(both))


def test_looking_again_asks_the_database_for_the_year_once(
    database: Database, board: BoardWindow
) -> None:
    with database.transaction() as db:
        account = an_estate(db)
    first = board.rows("/calendar")
    with database.transaction() as db:
        stored(db, db.get_one(Account, account.id), "new.example", TODAY + 3 * DAY, 7)

    assert board.rows("/calendar") == first
    assert date.fromisoformat(first["until"]) > TODAY.date()
