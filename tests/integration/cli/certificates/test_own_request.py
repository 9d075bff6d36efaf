"""CLI tests of `order create --csr`: one request goes on, and no private key is stored or repeated."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import select

from certline.models import Command, Order, every_table
from certline.workers.keys import sign_request
from tests.integration.cli.conftest import Typist
from tests.support.factories import a_domain, a_profile, an_account, an_organization
from tests.support.signing_requests import (
    COMMON_NAME,
    KEY,
    NAME,
    PRIVATE,
    PRIVATE_LINE,
    dns,
    extensions,
    in_pem,
    os_version,
    request,
)

DER = request(os_version(), extensions(dns(NAME)))
PEM = in_pem(DER)
ORDER = {"organization": "Nordhafen AG", "profile": "OV Single", "term": "365"}


@pytest.fixture
def offer(typist: Typist) -> Typist:
    """Return the user, with an account that may order the name with RSA 2048 and P-256."""
    with typist.database.transaction() as db:
        account = an_account(db, name="hafen")
        db.add(an_organization(account_id=account.id))
        db.add(a_domain(account_id=account.id, validation_expires=None))
        db.add(a_profile(account_id=account.id, key_types={"RSA": ["2048"], "EC": ["P-256"]}))
    return typist


def words(csr: Path | None, **options: str) -> list[str]:
    """Return the words of an order with a request."""
    given = {"common-name": NAME, **ORDER, **({"csr": str(csr)} if csr else {}), **options}
    return ["order", "create", *(f"--{name}={value}" for name, value in given.items())]


def everything(typist: Typist) -> str:
    """Return every row of every table as text."""
    with typist.database.engine.connect() as connection:
        return "".join(str(connection.execute(select(table)).all()) for table in every_table())


@pytest.mark.parametrize(
    "given",
    [
        PEM.encode(),
        DER,
        PEM.encode("utf-16"),
        PEM.encode("utf-8-sig"),
        f"Von: Jürgen\r\n\r\n{PEM}\r\nGrüße\r\n".encode("latin-1"),
        PEM.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST").encode(),
    ],
    ids=["pem", "der", "utf-16", "bom", "mail", "new"],
)
def test_only_the_request_itself_is_stored(offer: Typist, tmp_path: Path, given: bytes) -> None:
    (tmp_path / "csr").write_bytes(given)

    offer.types(*words(tmp_path / "csr"))

    with offer.database.transaction() as db:
        assert db.scalars(select(Order.csr)).all() == [PEM]
        assert [command.payload["csr"] for command in db.scalars(select(Command))] == [PEM]


@pytest.mark.parametrize(
    "given",
    [
        (PEM + PRIVATE).encode(),
        (PRIVATE + PEM).encode("utf-16"),
        KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        KEY.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
        "".join(PRIVATE.splitlines()[1:-1]).encode(),
    ],
    ids=["pem", "utf-16", "pkcs8", "sec1", "base64"],
)
@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--json",)], ids=["real", "dry", "json"])
def test_a_private_key_is_refused_and_stands_nowhere(
    offer: Typist, tmp_path: Path, given: bytes, more: tuple[str, ...]
) -> None:
    (tmp_path / "csr").write_bytes(given)

    said = offer.types(*words(tmp_path / "csr"), *more, code=2)

    assert "--csr: " in said
    assert "regard the key as disclosed and replace it" in said
    assert PRIVATE_LINE not in said + everything(offer)
    assert "PRIVATE" not in everything(offer)


@pytest.mark.parametrize(
    ("der", "says"),
    [
        (request(version=2), "it says version 3"),
        (DER + DER, "bytes after its end"),
        (request(subject=[(COMMON_NAME, NAME), (COMMON_NAME, "b.example")]), "2 common names"),
        (request(extensions(dns("b.example"))), "names that are not in the order: b.example"),
        (b"\x30\x82", "can be read"),
    ],
    ids=["version", "more", "names", "san", "der"],
)
def test_what_cannot_be_sent_is_wrong_use_in_a_dry_run_too(
    offer: Typist, tmp_path: Path, der: bytes, says: str
) -> None:
    (tmp_path / "csr").write_bytes(der)

    real = offer.types(*words(tmp_path / "csr"), code=2)
    dry = offer.types(*words(tmp_path / "csr"), "--dry-run", code=2)

    assert real == dry
    assert "--csr: " in real
    assert says in real


def test_a_dry_run_judges_the_key_of_the_request(offer: Typist, tmp_path: Path) -> None:
    csr = tmp_path / "csr"
    csr.write_text(sign_request(ec.generate_private_key(ec.SECP384R1()), NAME, []))

    real = offer.types(*words(csr), code=2)

    assert "--csr: 'OV Single' does not allow EC P-384" in real
    assert offer.types(*words(csr), "--dry-run", code=2) == real


@pytest.mark.parametrize(
    "typed",
    [
        words(None, comments=f"for the web team: {PRIVATE}"),
        ["order", "create", "--common-name", PRIVATE, "--organization=9101"],
        ["certificate", "revoke", "x", "--reason", PRIVATE],
        ["dead-letter", "drop", "x", "--reason", PRIVATE],
        ["command", "show", PRIVATE],
    ],
    ids=["comments", "name", "revoke", "drop", "id"],
)
def test_a_private_key_among_the_words_is_refused_before_anything(
    offer: Typist, typed: list[str]
) -> None:
    said = offer.types(*typed, code=2)

    assert "holds a private key" in said
    assert PRIVATE_LINE not in said + everything(offer)


def test_a_private_key_in_a_list_of_certificates_is_not_repeated(
    offer: Typist, tmp_path: Path
) -> None:
    (tmp_path / "list").write_text(f"shop.example\n{PRIVATE}")

    said = offer.types("certificate", "renew", "--file", str(tmp_path / "list"), code=2)

    assert "--file: what was given holds a private key" in said
    assert PRIVATE_LINE not in said


def test_a_file_that_is_away_is_named(offer: Typist, tmp_path: Path) -> None:
    said: Any = offer.json(*words(tmp_path / "no"), code=2)

    assert json.dumps(said).count("there is no such file") == 1
