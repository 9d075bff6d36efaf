"""Tests of the vault: secrets are read with the keys they were stored with, and never shown."""

import os
from pathlib import Path
from subprocess import PIPE, Popen
from sys import executable

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from certline.models.ciphers.place import IN_HAND
from certline.models.settings import Settings
from certline.models.vault import NoSecretKeyError, Vault, WrongSecretKeyError, open_vault

SECRET = b"a private key"
PLACE = IN_HAND
SOMEWHERE = SecretStr("postgresql://db/certline")


def a_key() -> str:
    """Return a fresh Fernet key."""
    return Fernet.generate_key().decode()


@given(st.binary())
def test_a_secret_comes_back_as_it_was(secret: bytes) -> None:
    vault = Vault(a_key())

    assert vault.open(vault.seal(secret, PLACE), PLACE) == secret


def test_a_stored_secret_is_not_readable() -> None:
    assert SECRET not in Vault(a_key()).seal(SECRET, PLACE)


def test_after_a_change_of_keys_the_older_one_still_reads() -> None:
    old, new = a_key(), a_key()
    sealed = Vault(old).seal(SECRET, PLACE)

    rotated = Vault(f"{new}, {old}")

    assert rotated.open(sealed, PLACE) == SECRET
    assert Vault(new).open(rotated.seal(SECRET, PLACE), PLACE) == SECRET


def test_a_secret_of_another_key_says_so() -> None:
    sealed = Vault(a_key()).seal(SECRET, PLACE)

    with pytest.raises(WrongSecretKeyError, match="is CERTLINE_SECRET_KEY the one"):
        Vault(a_key()).open(sealed, PLACE)


@pytest.mark.parametrize("keys", ["", " , ", "short", "ä" * 44, "!" * 44])
def test_what_is_no_key_is_refused_and_not_repeated(keys: str) -> None:
    with pytest.raises(NoSecretKeyError) as refusal:
        Vault(keys)

    assert not keys.strip(" ,") or keys not in str(refusal.value)


def test_a_vault_shows_nothing() -> None:
    key = a_key()

    assert repr(Vault(key)) == "Vault(***)"
    assert key not in str(vars(Vault(key)))


def test_without_a_key_the_person_is_told_how_to_make_one() -> None:
    with pytest.raises(NoSecretKeyError, match="certline keys new"):
        open_vault(Settings(database_url=SOMEWHERE))


def test_a_key_file_may_hold_one_key_a_line(tmp_path: Path) -> None:
    old, new = a_key(), a_key()
    (tmp_path / "keys").write_text(f"{new}\n{old}\n")
    (tmp_path / "keys").chmod(0o600)

    vault = open_vault(Settings(database_url=SOMEWHERE, secret_key_file=tmp_path / "keys"))

    assert vault.open(Vault(old).seal(SECRET, PLACE), PLACE) == SECRET


def test_a_key_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    settings = Settings(database_url=SOMEWHERE, secret_key_file=tmp_path / "keys")

    with pytest.raises(NoSecretKeyError, match=f"{tmp_path}/keys cannot be read"):
        open_vault(settings)


def test_an_embedded_line_makes_a_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    sealed = open_vault(Settings(home=tmp_path / "home")).seal(SECRET, PLACE)

    [file] = (tmp_path / "home").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert open_vault(Settings(home=tmp_path / "home")).open(sealed, PLACE) == SECRET


def test_a_key_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"\xff\xfe")
    (tmp_path / "keys").chmod(0o600)
    settings = Settings(database_url=SOMEWHERE, secret_key_file=tmp_path / "keys")

    with pytest.raises(NoSecretKeyError, match=f"{tmp_path}/keys cannot be read: it is not text"):
        open_vault(settings)


def test_a_first_start_that_was_killed_does_not_stop_the_next(tmp_path: Path) -> None:
    # In a container each start has the same process id.
    (tmp_path / f"secret.key.{os.getpid()}").touch()

    sealed = open_vault(Settings(home=tmp_path)).seal(SECRET, PLACE)

    assert open_vault(Settings(home=tmp_path)).open(sealed, PLACE) == SECRET


@pytest.mark.slow
def test_two_first_starts_at_once_agree_on_one_key(tmp_path: Path) -> None:
    program = (
        "import sys; from certline.models.settings import Settings; from certline.models.vault import open_vault;"
        "from certline.models.ciphers.place import IN_HAND;"
        "sys.stdin.read(1); print(open_vault(Settings()).seal(b'x', IN_HAND).decode())"
    )
    starts = [
        Popen(
            [executable, "-c", program],
            env={"CERTLINE_HOME": str(tmp_path)},
            stdin=PIPE,
            stdout=PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for start in starts:
        assert start.stdin is not None
        start.stdin.write("x")
        start.stdin.flush()

    sealed = [start.communicate(timeout=30)[0].strip() for start in starts]

    vault = open_vault(Settings(home=tmp_path))
    assert [vault.open(secret.encode(), PLACE) for secret in sealed] == [b"x"] * 4
