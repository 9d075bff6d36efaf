"""CLI tests of notices: routes are added, shown without their URL, tried, tested and removed."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from certline.models import Command, CommandType, Notice, NoticeRoute
from certline.models.audit.identity import Identity
from certline.models.audit.log import history
from certline.models.notices.notice import Told, tell
from certline.models.settings import settings
from certline.producers.requests.secret_keys import Rotation
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.step import run
from certline.workers.steps.notify import STEP
from tests.integration.cli.conftest import Typist
from tests.support.mail_server import MailServer, mail_server
from tests.support.sealed_rows import opened

SECRET = "xoxb-1234-1234-4ddbc191d40ee098cbaae6f3523ada2d"
URL = f"slack://{SECRET}/#ops"
KEYS = {
    *("name", "service", "scheme", "on", "severity", "digest", "at_most", "failures"),
    *("failing_since", "last_error", "told_at", "created_by", "created_at"),
}
NONE_YET = {"waiting": 0, "parked": 0, "sent": 0}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file with the URL of a service."""
    path = tmp_path / "url"
    path.write_text(f"{URL}\n")
    return path


def add(typist: Typist, file: Path, *words: str) -> Any:
    """Add a route, as a document."""
    words = words or ("--on", "order.review,account.*")
    return typist.json("notify", "add", "ops", "--url-file", str(file), *words)


def park_one(typist: Typist) -> None:
    """Store a notice that was parked."""
    with typist.database.transaction() as db:
        now = db.scalars(select(func.now())).one()
        tell(db, [Told("account.suspended", "1", {"account": "hafen"}, now)])
        db.execute(update(Notice).values(parked_at=now))
        failing = {"failures": 3, "failing_since": now, "last_error": "it refuses the login"}
        db.execute(update(NoticeRoute).values(failing))


def test_a_route_is_added_and_nothing_shows_its_url(typist: Typist, file: Path) -> None:
    added = add(typist, file)
    shown = typist.json("notify", "show", "ops")
    listed = typist.json("notify", "list")
    people = typist.types("notify", "list") + typist.types("notify", "show", "ops")

    assert set(added) == KEYS
    assert (added["service"], added["scheme"], added["on"]) == (
        "Slack",
        "slack",
        ["order.review", "account.*"],
    )
    assert shown == added | {"notices": NONE_YET}
    assert listed == [shown]
    assert "nothing told yet" in people
    with typist.database.transaction() as db:
        route = db.scalars(select(NoticeRoute)).one()
        assert opened(typist.vault, route, "url_sealed").decode() == URL
        assert SECRET.encode() not in route.url_sealed
        [logged] = history(db, "ops")
    assert (logged.type, logged.data["service"]) == ("notify.added", "Slack")
    for text in (people, str(shown), str(added), str(logged.data), repr(route)):
        assert SECRET not in text


def test_a_url_is_asked_for_and_never_an_argument(
    typist: Typist, monkeypatch: pytest.MonkeyPatch
) -> None:
    typist.types("notify", "add", "ops", URL, "--on", "*", code=2)
    monkeypatch.setattr("sys.stdin", StringIO(f"{URL}\n"))
    asked = typist.types("notify", "add", "ops", "--on", "*")

    assert "route ops is added: *, by Slack" in asked
    assert "certline notify test ops" in asked
    assert SECRET not in asked


def test_what_cannot_work_is_refused_with_each_reason_and_nothing_is_added(
    typist: Typist, tmp_path: Path
) -> None:
    bad = tmp_path / "bad"
    bad.write_text("syslog://geheim")
    words = ("--url-file", str(bad))
    said = typist.types("notify", "add", "Ops!", *words, "--on", "order.hold,*", code=2)
    nothing = typist.types("notify", "add", "ops", *words, code=2)
    pace = typist.types("notify", "add", "ops", *words, "--on", "*", "--at-most", "x/h", code=2)

    assert "3 problems:" in said
    assert "'order.hold' is not a kind of news; known kinds: order.placed, " in said
    assert "syslog:// acts on the worker's own machine" in said
    assert "geheim" not in said
    assert "on: is missing; or a digest only: --digest daily" in nothing
    assert "'x/h' is not a number of messages an hour, such as 10/h" in pace
    assert typist.json("notify", "list") == []
    assert "Nobody is told anything yet" in typist.types("notify", "list")


def test_a_plain_url_is_warned_of(typist: Typist, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("json://receiver.example")

    said = typist.types("notify", "add", "ops", "--url-file", str(plain), "--digest", "daily")

    assert "warning: json:// is not encrypted" in said


def test_all_options_are_kept(typist: Typist, file: Path) -> None:
    words = ("--on", "*", "--severity", "warning", "--digest", "daily", "--at-most", "10/h")
    added = add(typist, file, *words)

    assert (added["severity"], added["digest"], added["at_most"]) == ("warning", "daily", 10)
    assert "10 messages an hour" in typist.types("notify", "show", "ops")


def test_a_name_is_used_once_and_an_unknown_one_is_said_so(typist: Typist, file: Path) -> None:
    add(typist, file)

    there = typist.types("notify", "add", "ops", "--url-file", str(file), "--on", "*", code=4)
    unknown = [
        typist.types("notify", word, "opps", code=1) for word in ("show", "test", "remove", "retry")
    ]

    assert "there is a route 'ops' already" in there
    assert all("route 'opps' is not known; known routes: ops" in said for said in unknown)


def test_parked_notices_are_shown_by_doctor_and_tried_again(typist: Typist, file: Path) -> None:
    add(typist, file)
    park_one(typist)

    shown = typist.types("notify", "show", "ops")
    listed = typist.types("notify", "list")
    doctor = typist.types("doctor", code=1)

    assert "1 parked" in shown
    assert "it refuses the login" in shown
    assert "certline notify retry ops" in shown
    assert "1 parked" in listed
    assert "1 notices could not be sent" in doctor
    assert typist.json("notify", "retry", "ops") == {"retried": 1}
    assert typist.json("notify", "show", "ops")["notices"] == {"waiting": 1, "parked": 0, "sent": 0}
    assert "not told at present: ops: it refuses the login" in typist.types("doctor", code=1)


def test_a_retry_with_nothing_to_send_says_so(typist: Typist, file: Path) -> None:
    add(typist, file)

    typist.types("notify", "retry", "ops", code=4)


def test_a_removed_route_is_gone_with_its_notices(typist: Typist, file: Path) -> None:
    add(typist, file)
    park_one(typist)

    assert typist.json("notify", "remove", "ops")["given_up"] == 1

    assert typist.json("notify", "list") == []
    with typist.database.transaction() as db:
        assert db.scalars(select(Notice)).all() == []
        assert [each.type for each in history(db, "ops")] == ["notify.added", "notify.removed"]


def test_a_test_is_sent_by_a_worker(typist: Typist, tmp_path: Path) -> None:
    with mail_server() as mail:
        sent = a_test(typist, tmp_path, mail)
        assert sent["result"]["said"] == "done: E-Mail has taken it"
        assert str(mail.mails[0]["subject"]) == "certline: a test of the route ops"
        mail.response = "554 5.7.1 geheim"
        refused = a_test(typist, tmp_path, mail)

    assert refused["status"] == "failed"
    assert "geheim" not in str(refused)
    assert refused["error"].startswith("E-Mail: ")


def a_test(typist: Typist, tmp_path: Path, mail: MailServer) -> Any:
    """Test a route, and be the worker. Returns the command's document."""
    path = tmp_path / "mail"
    path.write_text(mail.url)
    if not typist.json("notify", "list"):
        typist.types("notify", "add", "ops", "--url-file", str(path), "--on", "*")
    typist.types("notify", "test", "ops", "--timeout", "0", code=5)
    with typist.database.transaction() as db:
        newest = select(Command.id).where(Command.type == CommandType.NOTIFY)
        command_id = db.scalars(newest.order_by(Command.created_at.desc()).limit(1)).one()
    run(WorkerContext(typist.database, typist.vault, settings()), STEP, command_id)
    return typist.json("command", "show", command_id)


def test_the_commands_that_send_notices_are_none_that_somebody_asked_for(
    typist: Typist, file: Path
) -> None:
    add(typist, file)
    park_one(typist)

    assert typist.json("command", "list") == []
    assert len(typist.json("command", "list", "--type", "notify")) == 1


def test_the_url_opens_after_a_rotation(typist: Typist, file: Path) -> None:
    add(typist, file)
    Rotation(
        typist.database, typist.vault, who=Identity("os:ida"), tell=lambda _renewed: None
    ).run()

    with typist.database.transaction() as db:
        assert (
            opened(typist.vault, db.scalars(select(NoticeRoute)).one(), "url_sealed").decode()
            == URL
        )
