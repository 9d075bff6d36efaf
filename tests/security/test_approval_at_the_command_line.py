"""A second person at the command line: what one person tries in order to do it alone."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from certline.cli import context
from certline.cli.certificates import certificate as module
from certline.cli.certificates.export import Export
from certline.models import Account, Approval, AuditEntry, Certificate, PrivateKey
from certline.models.audit.identity import Identity
from certline.models.commands.approval import GOOD_FOR
from tests.integration.cli import conftest as cli
from tests.support.factories import a_certificate, an_order
from tests.support.sealed_rows import seal_in

typist = cli.typist
Typist = cli.Typist

ANNA, KIM = Identity("os:anna"), Identity("os:kim")


@pytest.fixture
def be(monkeypatch: pytest.MonkeyPatch) -> Callable[[Identity], None]:
    """Return a function that makes the command line another user's."""
    return lambda who: monkeypatch.setattr(context, "person", lambda: who)


@pytest.fixture
def stored(typist: Typist) -> str:
    """Store a certificate with its key and a keystore password. Returns its id."""
    with typist.database.transaction() as db:
        certificate = a_certificate(db)
        key = db.get(PrivateKey, certificate.key_id) if certificate.key_id else None
        assert key is None or key.pem_sealed
        seal_in(db, typist.vault, certificate, "keystore_password_sealed", b"hunter22hunter22")
        return certificate.id


def test_a_password_is_read_by_its_requester_once_after_the_approval(
    typist: Typist,
    be: Callable[[Identity], None],
    stored: str,
) -> None:
    be(ANNA)
    typist.types("approval", "require", "export-key")
    words = ("certificate", "password", stored)

    waits = typist.json(*words, code=3)
    assert waits["status"] == "held"
    told = typist.types(*words, code=3)
    assert "hunter" not in told
    assert f"certline command approve {waits['id']}" in told
    typist.types("command", "approve", waits["id"], code=1)  # oneself
    be(KIM)
    typist.types("command", "approve", waits["id"])
    typist.types(*words, code=3)  # it is not the approver's
    be(ANNA)
    assert typist.json(*words)["password"] == "hunter22hunter22"
    typist.types(*words, code=3)  # once


def test_an_approval_that_was_not_used_for_a_day_is_void(
    typist: Typist,
    be: Callable[[Identity], None],
    stored: str,
) -> None:
    be(ANNA)
    typist.types("approval", "require", "export-key")
    waits = typist.json("certificate", "password", stored, code=3)
    be(KIM)
    typist.types("command", "approve", waits["id"])
    with typist.database.transaction() as db:
        past = func.now() - GOOD_FOR - timedelta(seconds=1)
        db.execute(update(Approval).values(decided_at=past))

    be(ANNA)
    typist.types("certificate", "password", stored, code=3)


def test_the_approval_of_one_password_opens_no_other(
    typist: Typist,
    be: Callable[[Identity], None],
    stored: str,
) -> None:
    with typist.database.transaction() as db:
        first = db.get_one(Certificate, stored)
        account = db.get_one(Account, first.account_id)
        other = a_certificate(db, an_order(db, account, status="stored"))
        seal_in(db, typist.vault, other, "keystore_password_sealed", b"other")
        other_id = other.id
    be(ANNA)
    typist.types("approval", "require", "export-key")
    waits = typist.json("certificate", "password", stored, code=3)
    be(KIM)
    typist.types("command", "approve", waits["id"])

    be(ANNA)
    typist.types("certificate", "password", other_id, code=3)


def test_no_format_with_the_key_is_written_without_the_approval_and_the_chain_is(
    typist: Typist,
    be: Callable[[Identity], None],
    monkeypatch: pytest.MonkeyPatch,
    stored: str,
    tmp_path: Path,
) -> None:
    has_key = {"pem", "pkcs12", "jks", "key"}
    monkeypatch.setattr(
        module, "exported", lambda *given, **_: Export(b"content", has_key=given[3] in has_key)
    )
    be(ANNA)
    typist.types("approval", "require", "export-key")
    for form in sorted(has_key):
        file = tmp_path / f"file.{form}"
        words = ("certificate", "export", stored, "--format", form, "--output", str(file))
        typist.types(*words, code=3)
        typist.types("certificate", "export", stored, "--format", form, "--output", "-", code=3)
        assert "content" not in typist.out
        assert not file.exists()

    typist.types(
        "certificate", "export", stored, "--format", "fullchain", "--output", str(tmp_path / "a")
    )
    assert (tmp_path / "a").read_bytes() == b"content"


def test_the_requester_of_a_deletion_sees_what_it_waits_for_and_gets_3(
    typist: Typist,
    be: Callable[[Identity], None],
    stored: str,
) -> None:
    be(ANNA)
    typist.types("approval", "require", "delete,revoke-many", "--above", "0")

    for words in (
        ("certificate", "delete", stored, "--yes"),
        ("certificate", "delete", stored, "--yes", "--wait"),
    ):
        told = typist.types(*words, code=3)
        assert "somebody other than os:anna" in told
        assert "certline command approve" in told
    held = typist.json("approval", "show")["waiting"]
    assert [(each["kind"], each["request"]) for each in held] == [
        ("delete", f"delete certificate {stored}")
    ] * 2
    typist.types("command", "retry", held[0]["id"], code=1)
    assert typist.json("command", "show", held[0]["id"])["status"] == "held"


def test_an_account_is_removed_by_two(
    typist: Typist,
    be: Callable[[Identity], None],
    stored: str,
) -> None:
    with typist.database.transaction() as db:
        name = db.scalars(select(Account.name)).first() or ""
    be(ANNA)
    typist.types("approval", "require", "delete")
    words = ("account", "remove", name, "--yes", "--force")

    waits = typist.json(*words, code=3)
    be(KIM)
    typist.types("command", "approve", waits["id"])
    be(ANNA)
    typist.types("account", "remove", name, "--yes", code=3)  # not what was approved
    typist.types(*words)

    assert stored
    with typist.database.transaction() as db:
        assert db.scalars(select(Account.status)).one() == "removed"


@pytest.mark.parametrize("kinds", ["", ",", "deletes", "delete,rule", "rule", "delete;revoke-many"])
def test_a_kind_that_is_none_is_refused(
    typist: Typist,
    kinds: str,
) -> None:
    typist.types("approval", "require", kinds, code=2)

    assert typist.json("approval", "show")["required"] == []


def test_a_rule_that_is_required_again_changes_nothing_and_taking_it_back_is_called_off(
    typist: Typist, be: Callable[[Identity], None]
) -> None:
    be(ANNA)
    for _ in range(2):
        typist.types("approval", "require", "delete")
    waits = typist.json("approval", "off", code=3)

    with typist.database.transaction() as db:
        changes = db.scalars(select(AuditEntry).where(AuditEntry.type == "approval.rule_changed"))
        assert len(changes.all()) == 1
        assert db.get_one(Approval, waits["id"]).request == "approval off"
