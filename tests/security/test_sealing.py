"""Attacks on the sealing of passwords: by whoever has the public key, a copied text, or the database."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select, update

from certline.models import AuditEntry, Command, Database, OrderStatus, SealingKey
from certline.models.audit.identity import Identity
from certline.models.ciphers import sealed_text
from certline.models.ciphers.place import in_command
from certline.models.ciphers.sealed_text import LONGEST_SECRET
from certline.models.commands.admission import admit
from certline.models.commands.envelope import read_command
from certline.models.database.session import clock
from certline.models.sealing.key_pair import public_key
from certline.models.settings import settings
from certline.models.validation import BadCommandError
from certline.models.vault import MovedSecretError, Vault
from tests.integration.cli.conftest import Typist, a_typist
from tests.integration.producers.senders import ORDER, an_event
from tests.integration.workers.conftest import Bench
from tests.security.sealed_texts import PASSWORD, pem_of, refused, taken
from tests.support.sealed_rows import opened


@pytest.fixture
def typist(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Typist]:
    yield from a_typist(database_url, monkeypatch, capsys)


@pytest.fixture
def database(typist: Typist) -> Database:
    return typist.database


def test_who_seals_needs_neither_the_secret_key_nor_the_database(
    typist: Typist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sealing.pem").write_text(typist.types("keys", "public"))
    (tmp_path / "password").write_text("hunter2hunter2\n")
    with monkeypatch.context() as elsewhere:
        elsewhere.delenv("CERTLINE_DATABASE_URL")
        elsewhere.delenv("CERTLINE_SECRET_KEY")
        elsewhere.setenv("CERTLINE_HOME", str(tmp_path / "home"))
        settings.cache_clear()
        files = (f"--public-key={tmp_path}/sealing.pem", f"--password-file={tmp_path}/password")
        sealed = typist.json("seal", *files)["sealed"]
    settings.cache_clear()

    assert not (tmp_path / "home").exists()
    assert taken(typist, sealed) == "hunter2hunter2"


def test_the_public_key_opens_nothing(typist: Typist, tmp_path: Path) -> None:
    pem = pem_of(typist)
    sealed = sealed_text.seal(pem, PASSWORD.encode())

    assert b"PRIVATE" not in pem
    with pytest.raises(ValueError, match="private key"):
        sealed_text.open_sealed(pem, sealed, None)
    (tmp_path / "other").write_bytes(pem[:80])
    told = typist.types("seal", f"--public-key={tmp_path}/other", code=2)
    assert "is not a public key in PEM" in told


def test_a_text_that_was_copied_from_another_sender_does_not_open(typist: Typist) -> None:
    pem = pem_of(typist)
    of_the_shop = sealed_text.seal(pem, PASSWORD.encode(), "shop")

    assert taken(typist, of_the_shop, "shop") == PASSWORD
    assert "does not open for 'bank': it was sealed for another" in refused(
        typist, of_the_shop, "bank"
    )
    assert "RabbitMQ does not vouch for" in refused(typist, of_the_shop)
    # One that names nobody is taken from anybody (docs/decisions/sealing.md).
    assert taken(typist, sealed_text.seal(pem, PASSWORD.encode()), "bank") == PASSWORD


def test_a_copied_text_is_refused_at_the_door_without_being_repeated(typist: Typist) -> None:
    sealed = sealed_text.seal(pem_of(typist), PASSWORD.encode(), "shop")
    event = an_event(data=ORDER | {"keystore_password_sealed": sealed})

    with (
        pytest.raises(BadCommandError) as refusal,
        typist.database.transaction() as db,
    ):
        admit(db, typist.vault, read_command(event), user_id="bank", sender="bank")
    with typist.database.transaction() as db:
        command, new = admit(db, typist.vault, read_command(event), user_id="shop", sender="shop")

    assert "data.keystore_password_sealed: does not open for 'bank'" in str(refusal.value)
    assert sealed not in str(refusal.value)
    assert new
    stored = command.payload["keystore_password_sealed"].encode()
    assert typist.vault.open(stored, in_command(command.id)).decode() == PASSWORD


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-8] + "AAAAAAAA",
        lambda text: text + "A" * 2_000,
        lambda text: text.replace("sealed:v1", "sealed:v2"),
        lambda text: re.sub("v1:[0-9a-f]{16}", "v1:0123456789abcdef", text),
        lambda text: text[:40],
        lambda text: text[:35] + "A",
        lambda text: text + "\n",
        lambda _: "certline:sealed:v1:" + ":" * 250_000,
        lambda _: "hunter2hunter2",
    ],
)
def test_a_text_that_was_changed_is_refused(typist: Typist, change: Callable[[str], str]) -> None:
    sealed = change(sealed_text.seal(pem_of(typist), PASSWORD.encode()))

    assert sealed not in refused(typist, sealed)


def test_a_password_that_is_too_long_is_refused_before_it_is_sent(
    typist: Typist, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("x" * (LONGEST_SECRET + 1))
    words = ("seal", "--keystore-type=PEM", f"--password-file={tmp_path}/password")

    assert "at most 300 can be sealed" in typist.types(*words, code=2)
    longest = "x" * LONGEST_SECRET
    assert taken(typist, sealed_text.seal(pem_of(typist), longest.encode(), "shop"), "shop")


def test_an_old_pair_opens_for_its_time_and_not_after_it(typist: Typist) -> None:
    before = pem_of(typist)
    sealed = sealed_text.seal(before, PASSWORD.encode())
    first = typist.json("keys", "status")["public_keys"]
    made = typist.json("keys", "public", "--new", "--old-opens-for", "7")

    told = typist.json("keys", "status")["public_keys"]
    shown = typist.types("keys", "status")

    assert [each["current"] for each in first] == [True]
    assert [(each["id"], each["current"]) for each in told] == [
        (made["id"], True),
        (first[0]["id"], False),
    ]
    assert "opens what it has sealed until" in shown
    assert pem_of(typist).decode() == made["public_key"]
    assert taken(typist, sealed) == PASSWORD
    with typist.database.transaction() as db:
        over = clock(db, timedelta(seconds=-1))
        db.execute(
            update(SealingKey).where(SealingKey.id == first[0]["id"]).values(opens_until=over)
        )
    assert "or opens no longer: seal it again" in refused(typist, sealed)
    typist.types("keys", "rotate", code=4)
    assert [each["id"] for each in typist.json("keys", "status")["public_keys"]] == [made["id"]]


def test_who_had_the_old_secret_key_does_not_open_what_is_sealed_after_its_rotation(
    typist: Typist, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = settings().secret_key
    assert old is not None
    before = pem_of(typist)
    stolen = typist.vault
    fresh = Fernet.generate_key().decode()
    monkeypatch.setenv("CERTLINE_SECRET_KEY", f"{fresh},{old.get_secret_value()}")
    settings.cache_clear()

    told = typist.types("keys", "rotate")

    after = pem_of(typist)
    assert after != before
    assert f"with the new public key {sealed_text.id_of(after)}: certline keys public" in told
    typist.types("keys", "rotate", code=4)
    assert pem_of(typist) == after
    typist.vault = Vault(fresh)  # the old key alone is enough for nothing
    for pem in (before, after):
        assert taken(typist, sealed_text.seal(pem, PASSWORD.encode())) == PASSWORD
    with typist.database.transaction() as db:
        for row in db.scalars(select(SealingKey)):
            with pytest.raises(Exception, match="cannot be read"):
                opened(stolen, row, "private_sealed")


def test_who_writes_to_the_database_cannot_have_his_own_key_handed_out(typist: Typist) -> None:
    typist.types("keys", "public")
    own = sealed_text.new_private_key()
    with typist.database.transaction() as db:
        row = db.scalars(select(SealingKey)).one()
        db.execute(update(SealingKey).values(id=sealed_text.id_of(sealed_text.public_key_of(own))))
        assert row.opens_until is None

    said = typist.types("keys", "public", code=1)

    assert "does not belong there" in said
    with typist.database.transaction() as db, pytest.raises(MovedSecretError):
        public_key(db, typist.vault, who=Identity("os:test"))


def test_who_made_and_replaced_a_pair_is_in_the_log(typist: Typist) -> None:
    typist.types("keys", "public")
    typist.types("keys", "public", "--new")

    with typist.database.transaction() as db:
        entries = db.scalars(select(AuditEntry).where(AuditEntry.type.like("sealing_key.%"))).all()
        told = [each.type for each in entries]
        assert "PRIVATE" not in str([each.data for each in entries])
    assert sorted(told) == ["sealing_key.made", "sealing_key.made", "sealing_key.replaced"]


@pytest.mark.parametrize("sealing", ["public key", "secret key"])
def test_the_keystore_of_an_order_has_the_password_that_its_sender_has_sealed(
    bench: Bench, sealing: str
) -> None:
    vault = bench.line.vault
    with bench.database.transaction() as db:
        pem = public_key(db, vault, who=Identity("os:test")).pem
        sealed = (
            sealed_text.seal(pem, b"hunter2hunter2", "shop")
            if sealing == "public key"
            else vault.seal_token(b"hunter2hunter2").decode()  # as before there were public keys
        )
        event = an_event(data=ORDER | {"keystore_password_sealed": sealed})
        command, _ = admit(db, vault, read_command(event), user_id="shop", sender="shop")
    bench.run(command.id)

    order = bench.order(command)

    assert order.status is OrderStatus.PENDING
    assert opened(vault, order, "keystore_password_sealed") == b"hunter2hunter2"
    with bench.database.transaction() as db:
        payload = str(db.get_one(Command, command.id).payload)
    assert sealed not in payload


@pytest.fixture
def bench(simulator: Any, database_url: str) -> Iterator[Bench]:
    database = Database(database_url, pool_size=2)
    bench = Bench(database, simulator)
    bench.sync()
    yield bench
    database.close()


def test_an_empty_sender_and_a_file_without_end_seal_nothing(
    typist: Typist, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "sealing.pem").write_bytes(pem_of(typist))
    words = ("seal", f"--password-file={tmp_path}/password")

    typist.types(*words, f"--public-key={tmp_path}/sealing.pem", "--sender=", code=2)
    typist.types(*words, "--public-key=/dev/full", code=2)
    typist.types("keys", "public", "--old-opens-for=5", code=2)
