"""Acceptance tests of exporting a certificate in every form, readable by its owner only."""

import shutil
import subprocess
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12

from certline.workers.keys import public_key_sha256, read_certificates
from tests.acceptance.terminal import Terminal
from tests.acceptance.test_cli_order import terminal, wanted

__all__ = ["terminal"]  # a fixture: a terminal beside `certline up`

NAME = "www.nordhafen.example"
FORMS = ("pem", "key", "leaf", "chain", "fullchain", "pkcs7", "der", "pkcs12", "jks")


def test_each_form_is_written_for_its_owner_and_read_by_strangers(
    terminal: Terminal, tmp_path: Path
) -> None:
    ordered = terminal.json(*wanted(), "--keystore-type", "JKS", "--wait", "--timeout", "30")
    assert ordered["status"] == "done"
    files = {form: tmp_path / f"www.{form}" for form in FORMS}
    has_key = {
        form: terminal.json("certificate", "export", NAME, "--output", str(file), "--format", form)[
            "has_private_key"
        ]
        for form, file in files.items()
    }
    password = terminal.json("certificate", "password", NAME)["password"]

    assert [form for form in FORMS if has_key[form]] == ["pem", "key", "pkcs12", "jks"]
    assert {file.stat().st_mode & 0o777 for file in files.values()} == {0o600}
    assert sorted(tmp_path.iterdir()) == sorted(files.values())
    (leaf,) = read_certificates(files["leaf"].read_bytes())
    assert read_certificates(files["der"].read_bytes()) == [leaf]
    chain = read_certificates(files["chain"].read_bytes())
    assert read_certificates(files["fullchain"].read_bytes()) == [leaf, *chain]
    assert set(read_certificates(files["pkcs7"].read_bytes())) == {leaf, *chain}
    key = load_pem_private_key(files["key"].read_bytes(), None)
    assert public_key_sha256(key.public_key()) == public_key_sha256(leaf.public_key())
    assert b"PRIVATE KEY" not in files["fullchain"].read_bytes()
    opened = pkcs12.load_pkcs12(files["pkcs12"].read_bytes(), password.encode())
    assert opened.cert is not None
    assert opened.cert.friendly_name == NAME.encode()
    listed = keytool("-list", "-v", "-keystore", str(files["jks"]), "-storepass", password)
    assert f"Alias name: {NAME}" in listed
    assert f"Certificate chain length: {1 + len(chain)}" in listed


def test_what_was_ordered_is_the_default_and_nothing_is_overwritten(
    terminal: Terminal, tmp_path: Path
) -> None:
    terminal.json(*wanted(), "--keystore-type", "JKS", "--wait", "--timeout", "30")
    file = tmp_path / "www.jks"
    export = ("certificate", "export", NAME, "--output", str(file))

    assert terminal.json(*export)["format"] == "jks"
    before = file.read_bytes()
    refused = terminal.json(*export, "--format", "leaf", code=1)
    assert "--force overwrites it" in refused["error"]["message"]
    assert file.read_bytes() == before
    assert terminal.json(*export, "--format", "leaf", "--force")["format"] == "leaf"
    assert file.stat().st_mode & 0o777 == 0o600
    printed = terminal.people("certificate", "export", NAME, "--output=-", "--format=fullchain")
    assert printed.stdout.startswith("-----BEGIN CERTIFICATE-----")
    terminal.people(*export, "--legacy", code=2)


def test_openssl_finds_the_old_ciphers_in_a_legacy_keystore(
    terminal: Terminal, tmp_path: Path
) -> None:
    terminal.json(*wanted(), "--wait", "--timeout", "30")
    file = tmp_path / "old.p12"
    terminal.json("certificate", "export", NAME, "--output", str(file), "--legacy")
    password = terminal.json("certificate", "password", NAME)["password"]

    command = ["openssl", "pkcs12", "-in", str(file), "-passin", f"pass:{password}"]
    said = subprocess.run(
        [*command, "-info", "-noout"], capture_output=True, text=True, check=True
    ).stderr

    assert "pbeWithSHA1And3-KeyTripleDES-CBC" in said


def keytool(*words: str) -> str:
    """Run a JRE's keytool and return its output."""
    program = shutil.which("keytool")
    assert program, "there is no keytool: install a JRE (on Debian: default-jre-headless)"
    return subprocess.run([program, *words], capture_output=True, text=True, check=True).stdout
