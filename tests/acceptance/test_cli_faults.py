"""Acceptance tests of error messages when a server, the tables or the secret key are not in order."""

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text

from certline.models import Database
from certline.models.accounts.breaker import MOST_FAILURES, failed
from tests.acceptance.secrecy import PASSWORD
from tests.acceptance.terminal import Terminal
from tests.servers import PostgresServer
from tests.servers.session import free_port

pytestmark = pytest.mark.slow


def test_a_postgres_that_is_away_is_named_without_its_password() -> None:
    port = free_port()
    terminal = Terminal(f"postgresql://amelie:hunter2@127.0.0.1:{port}/line")

    error = terminal.json("order", "list", code=6)["error"]
    doctor = terminal.json("doctor", code=6)

    assert f"postgresql://amelie:***@127.0.0.1:{port}/line does not answer" in error["message"]
    assert "hunter2" not in str(error) + str(doctor)
    assert [check["name"] for check in doctor["checks"] if not check["ok"]] == ["Postgres"]


def test_a_rabbitmq_that_is_away_is_named_without_its_password(database_url: str) -> None:
    port = free_port()
    terminal = Terminal(database_url, rabbitmq_url=f"amqp://amelie:hunter2@127.0.0.1:{port}/")

    for words in (("run", "relay"), ("run", "worker"), ("run", "all"), ("doctor",)):
        done = terminal.people(*words, code=6)
        assert f"amqp://amelie:***@127.0.0.1:{port}/ does not answer" in done.stdout + done.stderr
        assert "hunter2" not in done.stdout + done.stderr


def test_init_makes_the_tables_that_every_other_command_asks_for(postgres: PostgresServer) -> None:
    with postgres.database() as url:
        terminal = Terminal(url)

        for words in (("order", "list"), ("run", "producer"), ("up",), ("doctor",)):
            done = terminal.people(*words, code=1)
            assert "certline init" in done.stdout + done.stderr

        assert terminal.json("init")["migrated"] is True
        assert terminal.json("init")["migrated"] is False
        assert terminal.json("order", "list") == []
        assert {row["name"] for row in terminal.json("schedule", "list")} >= {
            "sync",
            "poll",
            "sweep",
        }


def test_the_tables_of_a_newer_version_are_left_as_they_are(database_url: str) -> None:
    database = Database(database_url, pool_size=1)
    with database.transaction() as db:
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    terminal = Terminal(database_url)

    assert terminal.json("init")["migrated"] is False
    assert terminal.json("order", "list") == []


def test_a_missing_or_wrong_secret_key_is_said(database_url: str) -> None:
    words = ("account", "add", "hafen", "--url=https://scm.test", "--customer-uri=demo")
    terminal = Terminal(database_url)
    terminal.json(*words, "--login=admin", "--no-verify", given=f"{PASSWORD}\n")

    terminal.environment["CERTLINE_SECRET_KEY"] = Fernet.generate_key().decode()
    assert "CERTLINE_SECRET_KEY" in terminal.people("account", "verify", "hafen", code=2).stderr
    assert "CERTLINE_SECRET_KEY" in terminal.people("doctor", code=1).stdout
    del terminal.environment["CERTLINE_SECRET_KEY"]
    assert "CERTLINE_SECRET_KEY" in terminal.people("account", "verify", "hafen", code=1).stderr


def test_a_wrong_variable_is_named(database_url: str) -> None:
    error = Terminal(database_url, poll_seconds="soon").json("order", "list", code=2)["error"]

    assert error["problems"][0].startswith("CERTLINE_POLL_SECONDS: ")


def test_when_nobody_is_at_work_the_wait_says_so(database_url: str) -> None:
    terminal = Terminal(database_url)
    words = ("account", "add", "hafen", "--url=https://scm.test", "--customer-uri=demo")
    terminal.json(*words, "--login=admin", "--no-verify", given=f"{PASSWORD}\n")

    done = terminal.people("sync", "--wait", "--timeout", "6", code=5)

    assert "no worker is running: start `certline up`" in done.stderr


def test_unknown_things_say_where_to_look(database_url: str) -> None:
    terminal = Terminal(database_url)

    for words in (
        ("order", "show", "scm:1"),
        ("certificate", "show", "www.example.org"),
        ("command", "show", "1"),
    ):
        done = terminal.people(*words, code=1)
        assert f"certline {words[0]} list" in done.stderr


def test_the_doctor_says_that_scm_is_left_alone_and_that_nothing_is_lost(database_url: str) -> None:
    database = Database(database_url, pool_size=1)
    with database.transaction() as db:
        for _ in range(MOST_FAILURES):
            failed(db, "https://scm.example/api", "HTTP 503: maintenance")
    database.close()

    checks = Terminal(database_url).json("doctor", code=1)["checks"]

    (scm,) = [check for check in checks if check["name"] == "SCM"]
    assert not scm["ok"]
    assert "https://scm.example/api is not called until" in scm["text"]
    assert "maintenance" in scm["text"]
    assert "nothing is lost" in scm["advice"]
