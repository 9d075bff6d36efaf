"""Tests of keystores, which openssl and keytool must open."""

import shutil
import subprocess
from pathlib import Path

import pytest

from certline.workers.keys import (
    Chain,
    build_chain,
    from_pem,
    generate,
    generate_password,
    jks,
    pem,
    pem_bundle,
    pkcs7_bundle,
    pkcs12,
    public_key_sha256,
    read_certificates,
)
from tests.unit.keys.authority import Authority


@pytest.fixture(scope="module")
def leaf() -> tuple[Authority, Chain]:
    root = Authority.root("Root")
    issuing = root.issue("Issuing CA", ca=True)
    ours = issuing.issue("shop.example")
    return ours, build_chain([root.cert, issuing.cert, ours.cert], ours.sha256)


def openssl(store: Path, password: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["openssl", "pkcs12", "-in", str(store), "-passin", f"pass:{password}", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_openssl_opens_a_pkcs12_and_finds_key_leaf_and_chain(
    leaf: tuple[Authority, Chain], tmp_path: Path
) -> None:
    ours, chain = leaf
    store, password = tmp_path / "shop.p12", generate_password()
    store.write_bytes(pkcs12(ours.key, chain, "shop front", password))

    opened = openssl(store, password, "-nodes")
    about = openssl(store, password, "-info", "-noout").stderr

    key = from_pem(opened.stdout[opened.stdout.index("-----BEGIN PRIVATE") :].encode())
    assert public_key_sha256(key.public_key()) == ours.sha256
    assert set(read_certificates(opened.stdout.encode())) == {chain.leaf, *chain.issuers}
    assert "AES-256-CBC" in about
    assert "PBKDF2" in about
    assert openssl(store, "wrong", "-noout").returncode != 0


def keytool(*words: str) -> str:
    """Run keytool, which must succeed, and return its output. Fails if keytool is not installed."""
    program = shutil.which("keytool")
    assert program, "there is no keytool: install a JRE (on Debian: default-jre-headless)"
    command = [program, "-J-Xshare:auto", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_openssl_opens_a_legacy_pkcs12_of_3des_and_sha1(
    leaf: tuple[Authority, Chain], tmp_path: Path
) -> None:
    ours, chain = leaf
    store = tmp_path / "shop.p12"
    store.write_bytes(pkcs12(ours.key, chain, "shop", "a password", legacy=True))

    about = openssl(store, "a password", "-info", "-nodes")

    assert "pbeWithSHA1And3-KeyTripleDES-CBC" in about.stderr
    assert "MAC: sha1" in about.stderr
    assert "friendlyName: shop" in about.stdout
    assert set(read_certificates(about.stdout.encode())) == {chain.leaf, *chain.issuers}


@pytest.mark.parametrize("kind", [("EC", "P-256"), ("RSA", "2048")], ids=str)
def test_keytool_reads_a_jks_and_takes_the_key_and_the_chain_out_of_it(
    kind: tuple[str, str], tmp_path: Path
) -> None:
    root = Authority.root("Root")
    issuing = root.issue("Issuing CA", ca=True)
    ours = issuing.issue("shop.example", key=generate(*kind))
    chain = build_chain([root.cert, issuing.cert, ours.cert], ours.sha256)
    store, password = tmp_path / "shop.jks", generate_password()
    store.write_bytes(jks(ours.key, chain, "Shop.Example", password))

    listed = keytool("-list", "-v", "-keystore", str(store), "-storepass", password)
    keytool(
        *("-importkeystore", "-noprompt", "-srckeystore", str(store), "-srcstoretype", "JKS"),
        *("-srcstorepass", password, "-destkeystore", str(tmp_path / "out.p12")),
        *("-deststoretype", "PKCS12", "-deststorepass", password),
    )

    assert "Keystore type: JKS" in listed
    assert "Alias name: shop.example" in listed
    assert "Entry type: PrivateKeyEntry" in listed
    assert "Certificate chain length: 3" in listed
    opened = openssl(tmp_path / "out.p12", password, "-nodes").stdout
    key = from_pem(opened[opened.index("-----BEGIN PRIVATE") :].encode())
    assert public_key_sha256(key.public_key()) == ours.sha256
    assert set(read_certificates(opened.encode())) == {chain.leaf, *chain.issuers}


def test_keytool_refuses_a_jks_under_another_password(
    leaf: tuple[Authority, Chain], tmp_path: Path
) -> None:
    store = tmp_path / "shop.jks"
    store.write_bytes(jks(leaf[0].key, leaf[1], "shop", "the right one"))

    with pytest.raises(AssertionError, match="password was incorrect"):
        keytool("-list", "-keystore", str(store), "-storepass", "another one")


def test_a_password_that_keytool_would_not_take_makes_no_jks(
    leaf: tuple[Authority, Chain],
) -> None:
    with pytest.raises(ValueError, match="6 characters"):
        jks(leaf[0].key, leaf[1], "shop", "short")


def test_openssl_reads_a_pkcs7_with_the_whole_chain(
    leaf: tuple[Authority, Chain], tmp_path: Path
) -> None:
    file = tmp_path / "shop.p7b"
    file.write_bytes(pkcs7_bundle(leaf[1]))

    command = ["openssl", "pkcs7", "-in", str(file), "-print_certs"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert set(read_certificates(said.encode())) == {leaf[1].leaf, *leaf[1].issuers}


def test_a_keystore_without_a_password_is_refused(leaf: tuple[Authority, Chain]) -> None:
    with pytest.raises(ValueError, match="password"):
        pkcs12(leaf[0].key, leaf[1], "shop", "")


def test_a_bundle_has_the_key_first_then_the_leaf_then_its_issuers(
    leaf: tuple[Authority, Chain],
) -> None:
    ours, chain = leaf

    bundle = pem_bundle(ours.key, chain)

    assert bundle.startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert read_certificates(bundle) == [chain.leaf, *chain.issuers]
    assert pem_bundle(None, chain) == "".join(map(pem, (chain.leaf, *chain.issuers))).encode()


def test_passwords_are_long_plain_and_never_the_same() -> None:
    made = {generate_password() for _ in range(50)}

    assert len(made) == 50
    assert all(len(word) == 24 and word.isalnum() for word in made)
    with pytest.raises(ValueError, match="12"):
        generate_password(11)
