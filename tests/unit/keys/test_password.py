"""Tests of the rules for a keystore's password, against the programs that have to open the keystore."""

import subprocess
from pathlib import Path

import pytest

from certline.workers.keys import Chain, jks, password_problem, pkcs12
from tests.unit.keys.authority import Authority
from tests.unit.keys.test_keystore import keytool

# Fit for every type.
FIT = [
    "abcdef",
    " a b c ",
    "~!@#$%^&*()`\"'\\|<>;:=,.?/",
    "-storepass",
    "pass:secret",
    "$HOME and %PATH%",
    "x" * 1023,
]
# Only in a JKS: Java reads no such password of a PKCS#12.
JKS_ONLY = ["schlüssel-Straße-1", "a\tb cdef", "\N{NO-BREAK SPACE}abcdef"]
UNFIT = ["", "abc\ndef", "abcdef\r", "abc\0def", "x" * 1024, "ü" * 512]


@pytest.fixture(scope="module")
def leaf() -> tuple[Authority, Chain]:
    ours = Authority.root("shop.example")
    return ours, Chain(ours.cert, ())


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    return tmp_path / "secret"


def listed(store: Path, kind: str, secret: Path) -> str:
    words = ("-list", "-keystore", str(store), "-storetype", kind, "-storepass:file", str(secret))
    return keytool("-J-Dfile.encoding=UTF-8", *words)


@pytest.mark.slow  # a JVM starts for each
@pytest.mark.parametrize("password", [*FIT, "a"], ids=lambda text: ascii(text[:20]))
@pytest.mark.parametrize("legacy", [False, True])
def test_java_and_openssl_open_a_pkcs12_with_each_password_that_is_taken(
    leaf: tuple[Authority, Chain], tmp_path: Path, secret: Path, password: str, legacy: bool
) -> None:
    assert password_problem("PKCS12", password) is None
    store = tmp_path / "shop.p12"
    store.write_bytes(pkcs12(leaf[0].key, leaf[1], "shop", password, legacy=legacy))
    secret.write_text(f"{password}\n")

    assert "PrivateKeyEntry" in listed(store, "PKCS12", secret)
    opened = subprocess.run(
        ["openssl", "pkcs12", "-in", str(store), "-passin", f"file:{secret}", "-nodes"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "BEGIN PRIVATE KEY" in opened.stdout, opened.stderr


@pytest.mark.slow  # a JVM starts for each
@pytest.mark.parametrize("password", [*FIT, *JKS_ONLY], ids=lambda text: ascii(text[:20]))
def test_java_opens_a_jks_with_each_password_that_is_taken(
    leaf: tuple[Authority, Chain], tmp_path: Path, secret: Path, password: str
) -> None:
    assert password_problem("JKS", password) is None
    store = tmp_path / "shop.jks"
    store.write_bytes(jks(leaf[0].key, leaf[1], "shop", password))
    secret.write_text(f"{password}\n", encoding="utf-8")

    assert "PrivateKeyEntry" in listed(store, "JKS", secret)


@pytest.mark.parametrize("password", JKS_ONLY, ids=ascii)
def test_java_opens_no_pkcs12_with_a_password_that_is_refused(
    leaf: tuple[Authority, Chain], tmp_path: Path, secret: Path, password: str
) -> None:
    store = tmp_path / "shop.p12"
    store.write_bytes(pkcs12(leaf[0].key, leaf[1], "shop", password))
    secret.write_text(f"{password}\n", encoding="utf-8")

    assert "U+0020 to U+007E" in (password_problem("PKCS12", password) or "")
    with pytest.raises(AssertionError, match="password was incorrect"):
        listed(store, "PKCS12", secret)


@pytest.mark.parametrize("kind", ["PKCS12", "JKS", "PEM"])
@pytest.mark.parametrize("password", UNFIT, ids=lambda text: ascii(text[:10]))
def test_what_no_program_reads_is_refused_for_every_type(kind: str, password: str) -> None:
    problem = password_problem(kind, password)

    assert problem is not None
    assert not password or password not in problem


@pytest.mark.parametrize("password", ["a", "abcde"])
def test_only_a_jks_needs_six_characters(password: str) -> None:
    assert "at least 6 characters" in (password_problem("JKS", password) or "")
    assert password_problem("PKCS12", password) is None
    assert password_problem("PEM", password) is None


@pytest.mark.parametrize("password", JKS_ONLY)
def test_a_pem_file_is_not_encrypted_so_any_line_will_do(password: str) -> None:
    assert password_problem("PEM", password) is None
