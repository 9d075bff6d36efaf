"""CLI tests of a wrong secret key: nothing is sealed with it, and no part starts with it."""

from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import func, select

from certline.models import Account, Database, every_table
from certline.models.audit.identity import Identity
from certline.models.commands.payloads import SyncCommand
from certline.models.settings import settings
from certline.models.vault import Vault
from certline.producers.requests.catalogue import request_sync
from tests.integration.cli.conftest import Typist
from tests.support.factories import an_account
from tests.support.sealed_rows import opened

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
ORDER = "order create --common-name www.nordhafen.example --organization O --profile P --term 90"
RABBITMQ = "amqp://guest:guest@127.0.0.1:1/"


def with_keys(monkeypatch: pytest.MonkeyPatch, *keys: str) -> None:
    monkeypatch.setenv("CERTLINE_SECRET_KEY", ",".join(keys))
    settings.cache_clear()


def rows(database: Database) -> dict[str, int]:
    """Return the number of rows of each table."""
    with database.transaction() as db:
        return {
            table.name: db.scalar(select(func.count()).select_from(table)) or 0
            for table in every_table()
        }


@pytest.fixture
def stranger(typist: Typist, monkeypatch: pytest.MonkeyPatch) -> Typist:
    """Return a user with another key than the one that the installation was used with."""
    with typist.database.transaction() as db:
        an_account(db, name="hafen", secret_sealed=typist.vault.seal_token(b"hunter2"))
    typist.types("init")
    with_keys(monkeypatch, NEW)
    monkeypatch.setenv("CERTLINE_RABBITMQ_URL", RABBITMQ)
    settings.cache_clear()
    return typist


@pytest.mark.parametrize(
    "line",
    [
        ORDER,
        ORDER + " --dry-run",
        "account add kai --url https://scm.test --customer-uri demo --login admin --no-verify",
        "account verify hafen",
        "webhook add https://203.0.113.7/ --events *",
        "seal",
        "keys rotate",
        "init",
        "run worker",
        "run relay",
        "run ingress",
        "run producer",
        "run all",
        "up",
    ],
)
def test_whoever_has_a_wrong_key_is_refused_and_nothing_is_written(
    stranger: Typist, line: str, tmp_path: Path
) -> None:
    before = rows(stranger.database)
    password = tmp_path / "password"
    password.write_text("hunter3\n")
    words = line.split()
    if words[0] in ("order", "seal"):
        option = "--password-file" if words[0] == "seal" else "--keystore-password-file"
        words += [option, str(password)]

    said = stranger.types(*words, code=2)

    assert "lacks a secret key of the installation" in said
    assert "certline keys forget KEY" in said
    assert Vault(NEW).keys[0] in said
    assert rows(stranger.database) == before


def test_what_needs_no_key_works_without_the_right_one(stranger: Typist) -> None:
    assert stranger.json("account", "list")[0]["name"] == "hafen"
    request_sync(stranger.database, SyncCommand(), requested_by=Identity("os:test"))
    assert stranger.json("command", "list")


def test_the_doctor_and_the_status_of_keys_say_so(
    stranger: Typist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CERTLINE_RABBITMQ_URL")
    settings.cache_clear()
    checks = {each["name"]: each for each in stranger.json("doctor", code=1)["checks"]}
    status = stranger.types("keys", "status", code=1)

    assert not checks["stored secrets"]["ok"]
    assert stranger.vault.keys[0] in checks["stored secrets"]["text"]
    assert "lacks a secret key of the installation" in status


def test_a_rotation_from_one_key_to_another(
    typist: Typist, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_keys(monkeypatch, OLD)
    with typist.database.transaction() as db:
        an_account(db, name="hafen", secret_sealed=Vault(OLD).seal_token(b"hunter2"))
    typist.types("init")
    with_keys(monkeypatch, NEW)
    typist.types("init", code=2)  # the stored secrets are the old key's

    with_keys(monkeypatch, NEW, OLD)
    typist.types("keys", "rotate")

    with_keys(monkeypatch, NEW)
    typist.types("init")
    with_keys(monkeypatch, OLD)
    typist.types("init", code=2)
    with typist.database.transaction() as db:
        account = db.scalars(select(Account)).one()
    assert opened(Vault(NEW), account, "secret_sealed") == b"hunter2"


def test_a_key_that_is_lost_can_be_given_up(stranger: Typist) -> None:
    lost = stranger.vault.keys[0]

    said = stranger.types("keys", "forget", lost)
    stranger.types("keys", "forget", lost, code=4)

    assert "certline account verify NAME --new-password" in said
    assert "account.secret_sealed: 1 secrets can be decrypted with none" in said
    stranger.types("init")
    refused = stranger.types("keys", "forget", Vault(NEW).keys[0], code=2)
    assert "is not lost: this process has it" in refused


def test_an_embedded_key_that_was_lost_is_not_replaced_by_another(
    typist: Typist, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    typist.types("init")
    monkeypatch.delenv("CERTLINE_SECRET_KEY")
    monkeypatch.setenv("CERTLINE_HOME", str(tmp_path))
    monkeypatch.setattr(type(settings()), "embedded", property(lambda _: True))
    settings.cache_clear()

    said = typist.types("init", code=2)

    assert f"the secret key {tmp_path / 'secret.key'} is missing" in said
    assert list(tmp_path.iterdir()) == []
