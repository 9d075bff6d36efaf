"""Acceptance tests of accounts with an API key or a client certificate instead of a password."""

import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.serialization import Encoding

from certline.models import Account, Database
from certline.models.accounts.account import account_named
from certline.models.vault import Vault
from certline.workers.keys import key_pair
from certline.workers.runtime.context import login_of
from certline.workers.scm import CertificateLogin, TokenLogin
from tests.acceptance.secrecy import PASSWORD
from tests.acceptance.terminal import Terminal
from tests.servers import Process
from tests.support.sealed_rows import opened
from tests.unit.keys.authority import Authority

TOKENS = "/auth/realms/apiclients/protocol/openid-connect/token"
SECRET = PASSWORD
OTHER = "swordfish-2"


@pytest.fixture
def terminal(database_url: str) -> Terminal:
    """Return a terminal without any account yet."""
    return Terminal(database_url)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """Return a file with the API key's secret, ending in a newline as an editor leaves it, and a second line."""
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\nnot this line\n")
    return file


@pytest.fixture
def identity(tmp_path: Path) -> tuple[str, str]:
    """Return a client certificate and its key, also written to certificate.pem and key.pem."""
    authority = Authority.root("svc-pipeline")
    certificate = authority.cert.public_bytes(Encoding.PEM).decode()
    key = key_pair.to_pem(authority.key).decode()
    (tmp_path / "certificate.pem").write_text(certificate)
    (tmp_path / "key.pem").write_text(key)
    return certificate, key


def token_url(simulator: Any) -> str:
    return str(simulator.url.removesuffix("/api") + TOKENS)


def add_key(terminal: Terminal, simulator: Any, file: Path, *, code: int = 0) -> Any:
    words = ("--url", simulator.url, "--token-url", token_url(simulator), "--client-id", "admin")
    return terminal.json(
        "account", "add", "hafen", *words, f"--client-secret-file={file}", code=code
    )


def add_pair(
    terminal: Terminal, certificate: Path, key: Path | str, *, given: str = "", code: int = 0
) -> Any:
    words = ("--url=https://scm.test", "--customer-uri=demo", "--login=svc", "--no-verify")
    pair = (f"--client-certificate={certificate}", f"--client-key={key}")
    return terminal.json("account", "add", "hafen", *words, *pair, given=given, code=code)


def stored(terminal: Terminal) -> tuple[Account, Vault]:
    """Return the stored account and the vault that opens its secret."""
    database = Database(terminal.environment["CERTLINE_DATABASE_URL"], pool_size=1)
    with database.transaction() as db:
        account = account_named(db, "hafen")
    database.close()
    assert account is not None
    return account, Vault(terminal.secret_key)


@pytest.mark.slow
def test_an_account_with_an_api_key_is_saved_and_synced(
    terminal: Terminal, simulator: Any, secret: Path
) -> None:
    added = add_key(terminal, simulator, secret)

    assert (added["login_kind"], added["login"], added["status"]) == ("token", "admin", "active")
    assert added["customer_uri"] is None
    account, vault = stored(terminal)
    assert login_of(account, vault) == TokenLogin(
        simulator.url, "admin", SECRET, token_url(simulator)
    )
    with Process([sys.executable, "-P", "-m", "certline", "up"], terminal.environment) as up:
        synced = terminal.json("sync", "--account", "hafen", "--wait", "--timeout", "30")
        assert synced["status"] == "done", up.output
    assert len(terminal.json("domain", "list")) > 12


def test_no_command_shows_an_api_keys_secret(
    terminal: Terminal, simulator: Any, tmp_path: Path
) -> None:
    requests.post(f"{simulator.door}/settings", json={"password": OTHER}, timeout=30)
    file = tmp_path / "secret"
    file.write_text(OTHER)

    said = [str(add_key(terminal, simulator, file))]
    for words in (("show", "hafen"), ("list",), ("verify", "hafen")):
        done = [terminal.people("account", *words), terminal.people("account", *words, "--json")]
        said += [part for each in done for part in (each.stdout, each.stderr)]

    assert OTHER not in "".join(said)
    assert OTHER.encode() not in (stored(terminal)[0].secret_sealed or b"")


def test_an_api_key_and_a_login_do_not_go_together(terminal: Terminal, secret: Path) -> None:
    key = ("--client-id", "admin", f"--client-secret-file={secret}")
    words = ("account", "add", "hafen", "--url=https://scm.test", *key)

    for other in ("--login", "--customer-uri", "--password-file", "--client-certificate"):
        value = str(secret) if other == "--password-file" else "demo"
        error = terminal.json(*words, other, value, code=2)["error"]
        assert error["message"] == f"--client-id and {other} do not go together"


def test_a_wrong_secret_saves_nothing_and_is_not_repeated(
    terminal: Terminal, simulator: Any, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text(OTHER)

    refused = add_key(terminal, simulator, file, code=1)["error"]

    assert "SCM refused the login 'admin'" in refused["message"]
    assert "Nothing was saved" in refused["message"]
    assert OTHER not in str(refused)
    assert terminal.json("account", "list") == []


def test_another_secret_of_an_api_key_is_saved_once_it_works(
    terminal: Terminal, simulator: Any, secret: Path
) -> None:
    add_key(terminal, simulator, secret)
    requests.post(f"{simulator.door}/settings", json={"password": OTHER}, timeout=30)
    assert "is suspended" in str(terminal.json("account", "verify", "hafen", code=1))
    verify = ("account", "verify", "hafen", f"--password-file={secret}")

    assert "Nothing was saved" in str(terminal.json(*verify, code=1))
    secret.write_text(f"{OTHER}\n")
    verified = terminal.json(*verify)

    assert (verified["status"], verified["login_kind"]) == ("active", "token")
    assert terminal.json("account", "verify", "hafen")["status"] == "active"
    account, vault = stored(terminal)
    assert opened(vault, account, "secret_sealed").decode() == OTHER


def test_a_client_certificate_is_kept_with_its_key_encrypted(
    terminal: Terminal, tmp_path: Path, identity: tuple[str, str]
) -> None:
    added = add_pair(terminal, tmp_path / "certificate.pem", tmp_path / "key.pem")

    account, vault = stored(terminal)
    assert (added["login_kind"], added["url"]) == ("certificate", "https://scm.test/api")
    assert login_of(account, vault) == CertificateLogin(
        "https://scm.test", "demo", "svc", *identity
    )
    assert b"PRIVATE KEY" not in (account.secret_sealed or b"")
    assert "PRIVATE KEY" not in str(added) + (account.client_certificate or "")
    assert "PRIVATE KEY" not in terminal.people("account", "show", "hafen").stdout


def test_an_account_with_a_client_certificate_takes_no_password(
    terminal: Terminal, secret: Path, tmp_path: Path, identity: tuple[str, str]
) -> None:
    add_pair(terminal, tmp_path / "certificate.pem", tmp_path / "key.pem")

    words = (f"--password-file={secret}", f"--client-certificate={tmp_path}/certificate.pem")
    refused = terminal.json(
        "account", "verify", "hafen", *words, f"--client-key={tmp_path}/key.pem", code=2
    )["error"]

    assert "logs in by certificate, not by password" in refused["message"]
    account, vault = stored(terminal)
    assert opened(vault, account, "secret_sealed").decode() == identity[1]


def test_the_key_of_a_client_certificate_may_come_on_standard_input(
    terminal: Terminal, tmp_path: Path, identity: tuple[str, str]
) -> None:
    add_pair(terminal, tmp_path / "certificate.pem", "-", given=identity[1])

    account, vault = stored(terminal)
    assert opened(vault, account, "secret_sealed").decode() == identity[1]


def test_a_certificate_and_another_ones_key_are_refused(
    terminal: Terminal, tmp_path: Path, identity: tuple[str, str]
) -> None:
    other = tmp_path / "other.pem"
    other.write_text(key_pair.to_pem(Authority.root("stranger").key).decode())

    refused = add_pair(terminal, tmp_path / "certificate.pem", other, code=2)["error"]

    assert "isn't the key of the first certificate" in refused["message"]
    assert identity[1] not in str(refused)
    assert terminal.json("account", "list") == []


def test_an_account_with_an_api_key_takes_no_client_certificate(
    terminal: Terminal, simulator: Any, secret: Path, tmp_path: Path, identity: tuple[str, str]
) -> None:
    add_key(terminal, simulator, secret)

    pair = (f"--client-certificate={tmp_path}/certificate.pem", f"--client-key={tmp_path}/key.pem")
    refused = terminal.json("account", "verify", "hafen", *pair, code=2)["error"]

    assert "logs in by token, not by certificate" in refused["message"]
    assert identity[0] not in str(refused)
    assert stored(terminal)[0].client_certificate is None
