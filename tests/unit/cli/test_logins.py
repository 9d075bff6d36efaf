"""Tests of the login options: they make one of three logins, or an error that says what does not fit."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certline.cli.errors import WRONG_USE, Fault
from certline.cli.parameters.text_file import TextFile
from certline.cli.scm.login_options import Given, kept_as, secret_of
from certline.models import LoginKind
from certline.workers.keys import key_pair
from certline.workers.scm import CertificateLogin, HeaderLogin, TokenLogin
from certline.workers.scm.login import TOKEN_URL
from tests.unit.keys.authority import Authority

URL = "https://scm.test"
PERSON: dict[str, Any] = {"customer_uri": "demo", "login": "svc"}


def a_file(text: str = "hunter2\n") -> TextFile:
    """Return a file with a secret."""
    return TextFile("secret.txt", "--password-file", text.encode())


def fault_of(**given: Any) -> Fault:
    """Return the error that these options raise."""
    with pytest.raises(Fault) as fault:
        Given(URL, **given).read()
    return fault.value


@pytest.fixture
def pair(tmp_path: Path) -> dict[str, Any]:
    """Write a client certificate and its key. Returns the two options."""
    authority = Authority.root("svc-pipeline")
    (tmp_path / "cert.pem").write_bytes(authority.cert.public_bytes(Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(key_pair.to_pem(authority.key))
    return {"client_certificate": tmp_path / "cert.pem", "client_key": tmp_path / "key.pem"}


def test_a_password_is_the_first_line_of_its_file() -> None:
    login = Given(URL, **PERSON, password_file=a_file("hunter2\nmore\n")).read()

    assert login == HeaderLogin(URL, "demo", "svc", "hunter2")


def test_an_api_key_needs_no_customer_and_asks_sectigo_for_tokens() -> None:
    login = Given(URL, client_id="key-7", client_secret_file=a_file()).read()

    assert login == TokenLogin(URL, "key-7", "hunter2", TOKEN_URL)
    assert kept_as(login)["customer_uri"] is None


def test_a_client_certificate_is_read_from_its_two_files(pair: dict[str, Any]) -> None:
    login = Given(URL, **PERSON, **pair).read()

    assert isinstance(login, CertificateLogin)
    assert login.pair() == (
        pair["client_certificate"].read_bytes(),
        pair["client_key"].read_bytes(),
    )
    assert secret_of(login) == pair["client_key"].read_bytes()
    assert kept_as(login)["login_kind"] is LoginKind.CERTIFICATE
    assert kept_as(login)["url"] == f"{URL}/api"


@pytest.mark.parametrize(
    "other", ["customer_uri", "login", "password_file", "client_certificate", "client_key"]
)
def test_an_api_key_goes_with_nothing_of_another_login(other: str) -> None:
    fault = fault_of(client_id="key-7", client_secret_file=a_file(), **{other: "x"})

    assert fault.code == WRONG_USE
    assert fault.message == f"--client-id and --{other.replace('_', '-')} do not go together"


def test_a_client_certificate_and_a_password_do_not_go_together(pair: dict[str, Any]) -> None:
    fault = fault_of(**PERSON, **pair, password_file=a_file())

    assert fault.code == WRONG_USE
    assert "--client-certificate and --password-file do not go together" in fault.message


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"login": "svc"}, "--customer-uri"),
        ({"customer_uri": "demo"}, "--login"),
        ({}, "--customer-uri"),
        ({"token_url": "https://tokens.test"}, "--client-id"),
        ({"client_secret_file": a_file()}, "--client-id"),
        (PERSON | {"client_certificate": Path("cert.pem")}, "--client-key"),
        (PERSON | {"client_key": Path("key.pem")}, "--client-certificate"),
    ],
)
def test_what_is_missing_is_named(given: dict[str, Any], missing: str) -> None:
    fault = fault_of(**given)

    assert (fault.code, fault.message) == (WRONG_USE, f"{missing} is missing")


@pytest.mark.parametrize("which", ["client_certificate", "client_key"])
@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"", b"-----BEGIN NOTHING-----"])
def test_a_file_that_holds_no_certificate_or_no_key_is_refused(
    pair: dict[str, Any], which: str, content: bytes | None
) -> None:
    if content is None:
        pair[which].unlink()
    else:
        pair[which].write_bytes(content)

    fault = fault_of(**PERSON, **pair)

    assert fault.code == WRONG_USE
    assert which.removeprefix("client_") in fault.message


def test_a_key_of_another_certificate_is_refused_without_being_shown(
    pair: dict[str, Any],
) -> None:
    other = key_pair.to_pem(Authority.root("stranger").key)
    pair["client_key"].write_bytes(other)

    fault = fault_of(**PERSON, **pair)

    assert (fault.code, "isn't the key" in fault.message) == (WRONG_USE, True)
    assert other.decode() not in str(fault)


@pytest.mark.parametrize("url", ["scm.test", "https://ida:hunter2@scm.test", "https://scm.test?a"])
def test_an_address_that_is_none_is_refused_without_a_password_in_it(url: str) -> None:
    with pytest.raises(Fault) as fault:
        Given(url, **PERSON, password_file=a_file()).read()

    assert fault.value.code == WRONG_USE
    assert "hunter2" not in str(fault.value)


def test_a_certificate_file_that_holds_the_key_too_is_refused(pair: dict[str, Any]) -> None:
    certificate, key = pair["client_certificate"], pair["client_key"]
    certificate.write_bytes(certificate.read_bytes() + key.read_bytes())

    fault = fault_of(**PERSON, **pair)

    assert fault.code == WRONG_USE
    assert fault.message.startswith("--client-certificate: what was given holds a private key")
    assert "its key goes to" in fault.hint
    assert key.read_text().splitlines()[1] not in fault.message


def test_only_what_was_parsed_of_a_pair_goes_on(pair: dict[str, Any]) -> None:
    certificate, key = (pair[name].read_bytes() for name in ("client_certificate", "client_key"))
    pair["client_certificate"].write_bytes(b"a certificate\n" + certificate.replace(b"\n", b"\r\n"))
    pair["client_key"].write_bytes(key + b"more\n" + certificate)

    login = Given(URL, **PERSON, **pair).read()

    assert isinstance(login, CertificateLogin)
    assert login.pair() == (certificate, key)


def test_a_private_key_is_no_password(pair: dict[str, Any]) -> None:
    fault = fault_of(**PERSON, password_file=a_file(pair["client_key"].read_text()))

    assert fault.message == "--password-file: this is a private key, not a password"
