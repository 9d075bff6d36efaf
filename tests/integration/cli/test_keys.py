"""CLI tests of rotating the secret key and sealing a password for a message."""

import io
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select

from certline.models import Account, AuditEntry
from certline.models.ciphers.place import IN_HAND
from certline.models.sealing.incoming_secret import take_secret
from certline.models.settings import settings
from certline.models.vault import Vault
from tests.integration.cli.conftest import Typist
from tests.support.factories import an_account
from tests.support.sealed_rows import opened

NEW = Fernet.generate_key().decode()


def add_account(typist: Typist, secret: bytes) -> None:
    with typist.database.transaction() as db:
        an_account(db, secret_sealed=secret)


def with_key(typist: Typist, monkeypatch: pytest.MonkeyPatch, *keys: str) -> Vault:
    """Set these keys in the environment. Returns their vault."""
    assert typist.vault  # the earlier vault
    monkeypatch.setenv("CERTLINE_SECRET_KEY", ",".join(keys))
    settings.cache_clear()
    return Vault(",".join(keys))


def test_a_key_is_changed_and_the_old_one_may_go(
    typist: Typist, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_account(typist, typist.vault.seal_token(b"hunter2"))
    old = settings().secret_key
    assert old is not None
    before = typist.json("keys", "status")["keys"]
    both = with_key(typist, monkeypatch, NEW, old.get_secret_value())
    said = typist.types("keys", "status")
    assert "still needed: certline keys rotate" in said

    rotated = typist.json("keys", "rotate")
    told = typist.types("keys", "rotate", code=4)

    assert before == [
        {
            "key": both.keys[1],
            "newest": True,
            "secrets": 1,
            "unbound": 1,
            "may_be_removed": False,
            "used_in": {"account.secret_sealed": 1},
        }
    ]
    assert rotated["rotated"] == {"account.secret_sealed": 1}
    assert [(each["key"], each["may_be_removed"]) for each in rotated["keys"]] == [
        (both.keys[0], False),
        (both.keys[1], True),
    ]
    assert rotated["unreadable"] == {}
    assert "There was nothing to do." in told
    assert f"Key {both.keys[1]} may be removed" in told
    assert NEW not in said + told + str(rotated)
    with_key(typist, monkeypatch, NEW)
    with typist.database.transaction() as db:
        account = db.scalars(select(Account)).one()
        assert opened(Vault(NEW), account, "secret_sealed") == b"hunter2"
        (entry,) = db.scalars(select(AuditEntry).where(AuditEntry.type == "keys.rotated"))
        assert entry.data == {"rows": 1, "key": both.keys[0]}


def test_a_secret_whose_key_is_missing_is_told_by_status_and_refused_by_rotate(
    typist: Typist, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_account(typist, typist.vault.seal_token(b"hunter2"))
    with_key(typist, monkeypatch, NEW)

    status = typist.json("keys", "status", code=1)
    said = typist.types("keys", "status", code=1)
    refused = typist.types("keys", "rotate", code=2)

    assert status["unreadable"] == {"account.secret_sealed": 1}
    assert "account.secret_sealed: 1 secrets can be decrypted with none of these keys" in said
    assert "the stored secrets cannot be read with the secret keys of this process" in refused


def test_a_sealed_password_opens_with_the_lines_key_only(
    typist: Typist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "password"
    file.write_text("hunter2\nnot this line\n")

    sealed = typist.json("seal", "--password-file", str(file))["sealed"]
    monkeypatch.setattr("sys.stdin", io.StringIO("hunter3\n"))
    piped = typist.types("seal").strip()

    with typist.database.transaction() as db:
        passwords = [
            typist.vault.open(
                take_secret(db, typist.vault, text, IN_HAND, sender=None).encode(), IN_HAND
            )
            for text in (sealed, piped)
        ]
    assert passwords == [b"hunter2", b"hunter3"]


def test_an_empty_password_is_not_sealed(typist: Typist, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("\n")

    refused = typist.json("seal", "--password-file", str(file), code=2)["error"]

    assert "--password-file: the first line is empty" in refused["message"]
