"""What an attacker reads of a login: in a URL that is shown, and on a way that is not encrypted."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, update

from certline.cli.checks import servers
from certline.models import Schedule
from certline.models.accounts.account import account_named
from certline.models.server_url import without_password
from certline.models.settings import settings
from certline.producers import processes
from tests.integration.cli import conftest as cli

typist = cli.typist
Typist = cli.Typist

SECRET = "hun,ter2"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ida:{SECRET}@one,two:5433/db",
        f"postgresql://ida:x;{SECRET}@one/db",
        f"amqp://ida:x;{SECRET}@one:5672/%2F;amqp://ida:y;{SECRET}@two/v",
        f"postgresql://ida:x@{SECRET}@one/db",
        f"postgresql://ida:x/{SECRET}?@one/db",
        f"postgresql://one/db?user=ida&password={SECRET}&sslmode=require",
        f"postgresql://one/db?sslpassword={SECRET}",
        f"postgresql://one/db?pass%77ord={SECRET}",
        f"postgresql://one/db?password=x@{SECRET}",
        f"postgresql+psycopg://ida:{SECRET}@/db?host=/run/postgresql",
        f"host=one dbname=db user=ida password={SECRET}",
        f"host=one password='a b\\' {SECRET}' user=ida",
        f"host=one password = '{SECRET}",
        f"amqps://ida:{SECRET}@one:5671/v?ssl_options={{'password': '{SECRET}'}}",
        f"amqp://ida:{SECRET}",
        f"http://ida:{SECRET}@proxy:3128",
    ],
)
def test_no_form_of_a_url_gives_its_password_away(url: str) -> None:
    shown = without_password(url)

    assert SECRET not in shown
    assert "ter2" not in shown
    assert "***" in shown


def test_a_url_without_a_password_is_shown_whole() -> None:
    url = "postgresql://ida@[::1]:5432,two:5433/db?sslmode=require&passfile=/etc/pg"

    assert without_password(url) == url


def test_doctor_hides_a_password_with_a_semicolon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CERTLINE_RABBITMQ_URL", "amqp://ida:abc;defghi@127.0.0.1:5672/%2F")
    settings.cache_clear()
    monkeypatch.setattr(processes, "reach_rabbit", lambda _settings: None)
    with monkeypatch.context() as patch:
        patch.setattr("certline.cli.context.settings", settings)
        said = servers.check_rabbitmq().text
    settings.cache_clear()

    assert said.endswith(" amqp://ida:***@127.0.0.1:5672/%2F")


def adding(tmp_path: Path, *more: str, url: str = "http://scm.example/api") -> list[str]:
    (tmp_path / "password").write_text("hunter2\n")
    who = ["--customer-uri=demo", "--login=admin", f"--password-file={tmp_path}/password"]
    return ["account", "add", "hafen", f"--url={url}", *who, "--no-verify", *more]


@pytest.mark.parametrize(
    "url",
    [
        "http://scm.example/api",
        "HTTP://scm.example",
        "http://10.0.0.8:8500",
        "http://127.0.0.1.evil.example/api",
        "http://localhost.evil.example/api",
    ],
)
def test_a_login_is_not_sent_readable_to_another_machine(
    typist: Typist, tmp_path: Path, url: str
) -> None:
    said = typist.types(*adding(tmp_path, url=url), code=2)

    assert "is not encrypted" in said
    assert "--insecure" in said
    with typist.database.transaction() as db:
        assert account_named(db, "hafen") is None


def test_an_api_keys_secret_is_not_sent_to_a_readable_token_server(
    typist: Typist, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("hunter2\n")
    words = ["--url=https://scm.example/api", "--client-id=ida", "--no-verify"]
    words += [f"--client-secret-file={tmp_path}/secret", "--token-url=http://sso.example/token"]

    assert "http://sso.example/token is not encrypted" in typist.types(
        "account", "add", "hafen", *words, code=2
    )


@pytest.mark.parametrize("host", ["127.0.0.1:8500", "localhost", "[::1]:8500", "127.8.8.8"])
def test_a_simulator_on_the_same_machine_needs_no_encryption(
    typist: Typist, tmp_path: Path, host: str
) -> None:
    typist.types(*adding(tmp_path, url=f"http://{host}/api"))


def test_an_unencrypted_account_is_wanted_by_name_and_doctor_names_it(
    typist: Typist, tmp_path: Path
) -> None:
    typist.types(*adding(tmp_path, "--insecure"))
    with typist.database.transaction() as db:
        row = account_named(db, "hafen")
        assert row is not None
        row.synced_at = row.created_at
        # The tables may have been made long ago: no schedule is overdue.
        db.execute(update(Schedule).values(next_due=func.now()))

    checks: dict[str, Any] = {each["name"]: each for each in typist.json("doctor")["checks"]}
    said = typist.types(
        "account", "verify", "hafen", f"--password-file={tmp_path}/password", code=2
    )

    assert checks["accounts"]["ok"]
    assert "over http://, readable on the way: hafen" in checks["accounts"]["text"]
    assert "is not encrypted" in said
