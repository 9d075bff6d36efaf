"""CLI tests of a certificate's names, of the ways to write its serial number, and of its root."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from certline.models import Certificate
from certline.workers.keys import pem, read_certificates
from tests.integration.cli.conftest import Typist
from tests.support.factories import a_certificate
from tests.support.odd_certificates import CA_KEY, PLAIN, ROOT, SUBJECT, public, signed
from tests.unit.keys.authority import Authority

SERIAL = "3c910e5d77a218f460bb29c34ed1058a"
NAMES = ["IP:192.0.2.7", "IP:2001:db8::7"]

Store = Callable[..., Certificate]


@pytest.fixture
def store(typist: Typist) -> Store:
    """Return a function that stores a certificate."""

    def add(**named: Any) -> Certificate:
        with typist.database.transaction() as db:
            return a_certificate(db, **named)

    return add


@pytest.mark.parametrize(
    "written",
    [
        SERIAL,
        SERIAL.upper(),
        f"0x{SERIAL}",
        f"0X00{SERIAL.upper()}",
        "3C:91:0E:5D:77:A2:18:F4:60:BB:29:C3:4E:D1:05:8A",
        "3c 91 0e 5d 77 a2 18 f4 60 bb 29 c3 4e d1 05 8a",
        " 00:3C:91:0E:5D:77:A2:18:F4:60:BB:29:C3:4E:D1:05:8A\n",
        f"serial={SERIAL.upper()}",
    ],
)
def test_a_serial_number_is_known_however_it_is_written(
    typist: Typist, store: Store, written: str
) -> None:
    certificate = store(serial_number=SERIAL)

    assert typist.json("certificate", "show", written)["id"] == certificate.id


def test_a_name_of_hex_digits_is_still_a_name(typist: Typist, store: Store) -> None:
    certificate = store(common_name="cafe")

    assert typist.json("certificate", "show", " cafe ")["id"] == certificate.id
    assert "is not known" in typist.types("certificate", "show", "0x", code=1)


def test_all_names_are_shown_and_those_of_dns_stay_apart(typist: Typist, store: Store) -> None:
    certificate = store(other_names=NAMES)

    shown = typist.json("certificate", "show", certificate.id)
    assert (shown["sans"], shown["other_names"]) == (["shop.nordhafen.example"], NAMES)
    assert ", ".join(NAMES) in typist.types("certificate", "show", certificate.id)


def test_a_self_signed_certificate_is_said_to_be_that(typist: Typist, store: Store) -> None:
    itself = signed(7, SUBJECT, PLAIN, issuer=SUBJECT, key=public(CA_KEY))
    certificate = store(leaf=itself, issuers=[], issuer="CN=odd.nordhafen.example")

    assert "(itself: self-signed, no CA has issued it)" in typist.types(
        "certificate", "show", certificate.id
    )
    words = ("certificate", "export", certificate.id, "--output", "-", "--format", "fullchain")
    assert "it is self-signed" in typist.types(*words, "--with-root", code=1)


@pytest.fixture(scope="module")
def line() -> tuple[x509.Certificate, x509.Certificate, x509.Certificate]:
    """Return a root, an issuing CA and a leaf."""
    root = Authority.root("Root R1")
    issuing = root.issue("Issuing CA", ca=True)
    return root.cert, issuing.cert, issuing.issue("shop.example").cert


@pytest.mark.parametrize("form", ["chain", "fullchain", "pem", "pkcs7"])
def test_a_chain_is_written_without_its_root_unless_that_is_wanted(
    typist: Typist,
    store: Store,
    line: tuple[x509.Certificate, ...],
    form: str,
    tmp_path: Path,
) -> None:
    root, issuing, leaf = line
    certificate = store(leaf=pem(leaf), issuers=[pem(issuing), pem(root)])
    words = ("certificate", "export", certificate.id, "--format", form, "--output")

    typist.types(*words, str(tmp_path / "without"))
    typist.types(*words, str(tmp_path / "with"), "--with-root")

    own = set() if form == "chain" else {leaf}
    without = read_certificates((tmp_path / "without").read_bytes())
    assert set(without) == {issuing} | own
    assert set(read_certificates((tmp_path / "with").read_bytes())) == {issuing, root} | own


def test_a_root_that_scm_did_not_send_is_said_to_be_missing(
    typist: Typist, store: Store, line: tuple[x509.Certificate, ...]
) -> None:
    root, issuing, leaf = line
    certificate = store(leaf=pem(leaf), issuers=[pem(issuing)])
    words = ("certificate", "export", certificate.id, "--output", "-", "--format", "chain")

    told = typist.types(*words, "--with-root", code=1)
    assert "is not known: SCM sent its issuers without it" in told
    assert "CN=Root R1" in told
    assert typist.types(*words).startswith("-----BEGIN CERTIFICATE-----")
    certificate = store(leaf=pem(issuing), issuers=[pem(root)])
    below = typist.types(
        "certificate", "export", certificate.id, "--output=-", "--format=chain", code=1
    )
    assert "--with-root writes the root" in below


@pytest.mark.parametrize("form", ["leaf", "der", "key"])
def test_a_format_without_issuers_has_no_root(typist: Typist, store: Store, form: str) -> None:
    certificate = store(leaf=ROOT)
    words = ("certificate", "export", certificate.id, "--output", "-", "--format", form)

    assert "works only with formats that have issuers" in typist.types(
        *words, "--with-root", code=2
    )
