"""Tests of the secrecy watch over the acceptance tests: it finds a leak, wherever it is."""

import base64
import subprocess
import sys

import psycopg
import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from certline.models import Database, PrivateKey
from certline.models.vault import Vault
from certline.workers.keys import key_pair
from tests.acceptance.secrecy import PASSWORD, Watch, hearing
from tests.servers import Process
from tests.support.factories import an_account
from tests.support.sealed_rows import seal_in

SECRET_KEY = Fernet.generate_key().decode()
KEY = ec.generate_private_key(ec.SECP256R1())
DER = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
STORED = "Westmole-4413-gespeichert"
ENVIRONMENT = {"CERTLINE_SECRET_KEY": SECRET_KEY}


@pytest.fixture
def watch(database_url: str) -> Watch:
    """Return a watch over a database with a key and a password, sealed as they should be."""
    watch, vault = Watch(), Vault(SECRET_KEY)
    watch.learn(ENVIRONMENT)
    database = Database(database_url, pool_size=1)
    with database.transaction() as db:
        key = PrivateKey(algorithm="EC", size="P-256", public_key_sha256="1")
        seal_in(db, vault, key, "pem_sealed", key_pair.to_pem(KEY))
        seal_in(db, vault, an_account(db), "secret_sealed", STORED.encode())
    database.close()
    return watch


def store(url: str, value: object) -> None:
    """Store a value where it doesn't belong."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO event (type, subject, who, data) VALUES ('a', 'b', 'c', %s)",
            [psycopg.types.json.Jsonb({"said": value})],
        )


def test_what_is_sealed_is_no_leak(watch: Watch, database_url: str) -> None:
    assert watch.leaks(database_url) == []


@pytest.mark.parametrize(
    "secret",
    [
        STORED,
        PASSWORD,
        SECRET_KEY,
        DER.hex(),
        base64.b64encode(DER).decode(),
        key_pair.to_pem(KEY).decode(),
        key_pair.to_pem(KEY).decode().splitlines()[1],
    ],
    ids=["stored", "planted", "secret key", "hex", "base64", "pem", "a line of it"],
)
def test_a_secret_in_a_column_is_seen(watch: Watch, database_url: str, secret: str) -> None:
    store(database_url, f"it was {secret}")

    assert any("event.data" in leak for leak in watch.leaks(database_url))


def test_a_line_of_a_key_whose_number_begins_with_a_zero_byte_is_seen(
    watch: Watch, database_url: str
) -> None:
    key = ec.derive_private_key(int.from_bytes(bytes(range(1, 32))), ec.SECP256R1())
    pem, vault = key_pair.to_pem(key), Vault(SECRET_KEY)
    database = Database(database_url, pool_size=1)
    with database.transaction() as db:
        row = PrivateKey(algorithm="EC", size="P-256", public_key_sha256="2")
        seal_in(db, vault, row, "pem_sealed", pem)
    database.close()
    store(database_url, f"it was {pem.decode().splitlines()[1]}")

    assert any("event.data" in leak for leak in watch.leaks(database_url))


def test_a_secret_in_bytes_that_are_not_sealed_is_seen(watch: Watch, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE account SET secret_sealed = %s", [f"v1:{PASSWORD}".encode()])

    assert watch.leaks(database_url) == ["planted is in account.secret_sealed"]


def test_a_secret_that_a_process_prints_or_logs_is_seen(watch: Watch, database_url: str) -> None:
    program = [sys.executable, "-c", f"import sys; sys.stderr.write('{STORED}')"]
    with Process(program, ENVIRONMENT) as process:
        process.wait()
    hearing(watch, subprocess.run)(program, capture_output=True, text=True, check=True)

    leaks = watch.leaks(database_url)

    assert len(leaks) == 2
    assert all(leak.startswith("a password is in ") for leak in leaks)


def test_a_password_that_is_asked_for_is_no_leak(watch: Watch, database_url: str) -> None:
    words = [sys.executable, "-c", f"print('{STORED}')", "certificate", "password", "x"]
    hearing(watch, subprocess.run)(words, capture_output=True, text=True, check=True)

    assert watch.leaks(database_url) == []
