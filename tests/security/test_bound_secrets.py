"""Attacks of somebody who may write to the database, but has no secret key: secrets that he moves do not open."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import delete, select, update

from certline.models import (
    Account,
    AccountStatus,
    AuditEntry,
    Certificate,
    Command,
    Database,
    DeadLetter,
    Order,
    OrderStatus,
    PrivateKey,
    SealingKey,
    SecretKey,
    Webhook,
)
from certline.models.audit.identity import Identity
from certline.models.ciphers.place import IN_HAND, SecretPlace, in_command
from certline.models.database.secret_place import place_of
from certline.models.key_proof import key_fault, prove, watch_keys
from certline.models.key_rotation import places
from certline.models.settings import settings
from certline.models.vault import MovedSecretError, Vault, WrongSecretKeyError
from certline.producers.requests import secret_keys
from certline.producers.requests.secret_keys import Rotation, key_uses, require_bound
from certline.workers.runtime.context import login_of
from tests.integration.cli.conftest import Typist, a_typist
from tests.integration.producers.sealed import SECRET, fill, secrets
from tests.integration.workers.conftest import Bench
from tests.support.factories import an_account
from tests.support.sealed_rows import opened, seal_in, stored_secrets

KEY, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
TABLES = (Account, Certificate, DeadLetter, Order, PrivateKey, SealingKey, Webhook)


@pytest.fixture
def typist(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Typist]:
    yield from a_typist(database_url, monkeypatch, capsys)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, pool_size=2)
    yield database
    database.close()


@pytest.fixture
def bench(simulator: Any, database: Database) -> Bench:
    bench = Bench(database, simulator)
    bench.settings(issue_after_ms=0)
    bench.sync()
    return bench


def started(database: Database, *keys: str) -> Vault:
    """Return the vault of a process that has proven these keys."""
    vault = Vault(",".join(keys))
    with database.transaction() as db:
        prove(db, vault, who=Identity("os:test"))
    return vault


def an_older_version(database: Database, rows: int = 1) -> None:
    """Store secrets and the proof of their key as earlier versions did."""
    vault = Vault(KEY)
    fill(database, vault, rows, bound=False)
    with database.transaction() as db:
        db.add(SecretKey(name=vault.keys[0], proof=vault.seal_token(b"0123456789abcdef")))


def rotated(database: Database, vault: Vault) -> list[str]:
    """Run a rotation to its end. Returns the keys of which only bound secrets are taken from now on."""
    Rotation(database, vault, who=Identity("os:ida"), tell=lambda _: None).run()
    uses, _ = key_uses(database, vault)
    return require_bound(database, vault, uses, who=Identity("os:ida"))


def test_no_secret_opens_anywhere_but_in_its_own_row(database: Database) -> None:
    vault = started(database, KEY)
    fill(database, vault, 2)
    with database.transaction() as db:
        found = list(stored_secrets(db))

    assert {column for column, _, _ in found} == {str(each) for each in places()}
    for (_, sealed, place), (_, _, other) in itertools.product(found, found):
        if place == other:
            assert vault.open(sealed, place)
        else:
            with pytest.raises(MovedSecretError, match="does not belong there"):
                vault.open(sealed, other)


def test_the_password_of_a_deleted_row_does_not_open_in_the_row_after_it(
    database: Database,
) -> None:
    vault = started(database, KEY)
    with database.transaction() as db:
        first = an_account(db)
        seal_in(db, vault, first, "secret_sealed", SECRET)
        sealed = first.secret_sealed
        db.delete(first)
        db.flush()
        second = an_account(db, secret_sealed=sealed)
        with pytest.raises(MovedSecretError):
            login_of(second, vault)


@pytest.mark.parametrize(
    "change",
    [
        {"url": "https://evil.example/api"},
        {"token_url": "https://evil.example/token"},
        {"login_kind": "token"},
    ],
)
def test_an_account_that_points_elsewhere_does_not_send_its_password_there(
    bench: Bench, change: dict[str, str]
) -> None:
    command = bench.place()
    with bench.database.transaction() as db:
        db.execute(update(Account).values(**change))
    calls = sum_of_calls(bench)

    bench.run(command.id)

    account = bench.account()
    assert account.status is AccountStatus.SUSPENDED
    assert "does not belong there" in (account.status_reason or "")
    assert "certline account show" in (account.status_reason or "")
    assert bench.order(command).status is OrderStatus.PLACED
    assert sum_of_calls(bench) == calls


def sum_of_calls(bench: Bench) -> int:
    return bench.calls("GET /ssl/v1") + bench.calls("POST /ssl/v1/enroll")


def test_a_private_key_that_was_put_into_another_row_is_not_exported(bench: Bench) -> None:
    vault = bench.line.vault
    keys = [bench.order(bench.place(common_name=name)).key_id for name in NAMES]
    with bench.database.transaction() as db:
        first, second = (db.get_one(PrivateKey, key) for key in keys)
        assert opened(vault, second, "pem_sealed").startswith(b"-----BEGIN")
        second.pem_sealed = first.pem_sealed
        with pytest.raises(MovedSecretError, match=f"private_key.pem_sealed of {second.id}"):
            opened(vault, second, "pem_sealed")


NAMES = ("a.nordhafen.example", "b.nordhafen.example")


def test_a_password_keeps_to_its_row_from_command_to_certificate(bench: Bench) -> None:
    vault = bench.line.vault
    given = vault.seal(b"hunter2hunter2", IN_HAND).decode()
    command = bench.place(keystore_password_sealed=given)
    while bench.run_due():
        pass
    order = bench.order(command)
    with bench.database.transaction() as db:
        certificate = db.get_one(Certificate, order.certificate_id)
        payload = db.get_one(Command, command.id).payload
    places_of_it = [
        (payload["keystore_password_sealed"].encode(), in_command(command.id)),
        (order.keystore_password_sealed, place_of(order, "keystore_password_sealed")),
        (certificate.keystore_password_sealed, place_of(certificate, "keystore_password_sealed")),
    ]

    for (sealed, place), (_, other) in itertools.product(places_of_it, places_of_it):
        if place == other:
            assert vault.open(sealed, place) == b"hunter2hunter2"
        else:
            with pytest.raises(MovedSecretError):
                vault.open(sealed, other)


def test_old_values_open_until_a_rotation_has_bound_them_all(database: Database) -> None:
    an_older_version(database, 3)
    vault = started(database, KEY)
    before = secrets(database, vault)
    (use,), _ = key_uses(database, vault)
    assert use.unbound == 3 * len(places())

    assert rotated(database, vault) == vault.keys

    (use,), unreadable = key_uses(database, vault)
    assert (use.unbound, unreadable) == (0, {})
    assert secrets(database, vault) == before
    assert rotated(database, vault) == []
    with database.transaction() as db:
        assert [row.subject for row in db.scalars(bound_entries())] == vault.keys


def bound_entries() -> Any:
    return select(AuditEntry).where(AuditEntry.type == "keys.bound")


def test_an_old_value_that_is_put_back_after_the_rotation_is_refused(database: Database) -> None:
    an_older_version(database)
    vault = started(database, KEY)
    with database.transaction() as db:
        account = db.scalars(select(Account)).one()
        old, place = account.secret_sealed or b"", place_of(account, "secret_sealed")
    assert vault.open(old, place) == SECRET
    running = started(database, KEY)
    rotated(database, vault)

    with database.transaction() as db:
        assert key_fault(db, running) is None  # as each heartbeat asks
    for each in (vault, running, started(database, KEY)):
        with pytest.raises(MovedSecretError, match="is not bound to its row"):
            each.open(old, place)


def test_a_rotation_does_not_launder_an_old_value_that_was_put_back(database: Database) -> None:
    an_older_version(database)
    vault = started(database, KEY)
    with database.transaction() as db:
        old = db.scalars(select(Account.secret_sealed)).one()
    rotated(database, vault)
    with database.transaction() as db:
        hook = db.scalars(select(Webhook)).one()
        hook.secret_sealed = old or b""

    rotated(database, vault)

    _, unreadable = key_uses(database, vault)
    assert unreadable == {"webhook.secret_sealed": 1}
    with database.transaction() as db:
        assert db.scalars(select(Webhook.secret_sealed)).one() == old


def test_a_process_that_has_just_started_asks_before_it_takes_an_old_value(
    database: Database,
) -> None:
    an_older_version(database)
    vault = started(database, KEY)
    with database.transaction() as db:
        account = db.scalars(select(Account)).one()
        old, place = account.secret_sealed or b"", place_of(account, "secret_sealed")
    rotated(database, vault)
    fresh = Vault(KEY)
    watch_keys(database, fresh)

    with pytest.raises(MovedSecretError):
        fresh.open(old, place)


def test_unbound_values_of_a_key_that_this_version_has_noted_are_never_taken(
    database: Database,
) -> None:
    vault = started(database, KEY)
    with database.transaction() as db:
        account = an_account(db, secret_sealed=vault.seal_token(SECRET))

        with pytest.raises(MovedSecretError):
            login_of(account, vault)


def test_to_delete_the_proofs_of_the_keys_does_not_bring_old_values_back(
    database: Database,
) -> None:
    an_older_version(database)
    vault = started(database, KEY)
    rotated(database, vault)
    with database.transaction() as db:
        db.execute(delete(SecretKey))

    again = started(database, KEY)

    assert again.bound_only == frozenset(vault.keys)


def test_a_proof_of_another_key_proves_nothing(database: Database) -> None:
    vault = started(database, KEY)
    both = started(database, NEW, KEY)
    with database.transaction() as db:
        rows = {row.name: row for row in db.scalars(select(SecretKey))}
        rows[vault.keys[0]].proof = rows[both.keys[0]].proof
        db.flush()

        assert "lacks a secret key" in (key_fault(db, both) or "")


def test_a_rotation_that_is_killed_at_any_point_loses_nothing_and_goes_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secret_keys, "PIECE", 1)
    an_older_version(database, 2)
    vault = started(database, KEY)
    before = secrets(database, vault)

    class DiedError(Exception):
        """Ends the rotation in the middle."""

    def die_at(most: int) -> Callable[[int], None]:
        def tell(renewed: int) -> None:
            if renewed >= most:
                raise DiedError

        return tell

    for _ in range(2 * len(places()) - 1):
        with pytest.raises(DiedError):
            Rotation(database, vault, who=Identity("os:ida"), tell=die_at(1)).run()
        assert secrets(database, vault) == before
        assert vault.bound_only == frozenset()
    assert rotated(database, vault) == vault.keys
    assert secrets(database, vault) == before


def test_nothing_is_closed_while_a_value_is_not_bound(database: Database) -> None:
    an_older_version(database)
    vault = started(database, KEY)
    uses, _ = key_uses(database, vault)

    assert require_bound(database, vault, uses, who=Identity("os:ida")) == []
    assert secrets(database, vault)


def test_status_and_rotate_say_how_many_are_not_bound(
    typist: Typist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CERTLINE_SECRET_KEY", KEY)
    settings.cache_clear()
    an_older_version(typist.database)
    (before,) = typist.json("keys", "status")["keys"]
    said = typist.types("keys", "status")

    rotated_to = typist.json("keys", "rotate")

    assert before["unbound"] == len(places())
    assert "certline keys rotate binds the others to their rows" in said
    assert [each["unbound"] for each in rotated_to["keys"]] == [0]
    assert sum(rotated_to["rotated"].values()) == len(places())
    typist.types("keys", "rotate", code=4)
    with typist.database.transaction() as db:
        db.execute(update(Webhook).values(secret_sealed=Vault(KEY).seal_token(SECRET)))
    assert typist.json("keys", "status", code=1)["unreadable"] == {"webhook.secret_sealed": 1}
    typist.types("keys", "rotate", code=1)


def test_a_login_that_does_not_open_any_more_can_be_entered_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: Any
) -> None:
    with bench.database.transaction() as db:
        other = an_account(db, name="other")
        seal_in(db, bench.line.vault, other, "secret_sealed", b"another")
        account = db.scalars(select(Account).where(Account.name == "demo")).one()
        account.secret_sealed = other.secret_sealed
    monkeypatch.setenv("CERTLINE_DATABASE_URL", bench.database.url)
    monkeypatch.setenv("CERTLINE_SECRET_KEY", bench.secret_key)
    settings.cache_clear()
    typist = Typist(bench.database, bench.line.vault, capsys)
    (tmp_path / "password").write_text("secret\n")

    refused = typist.types("account", "verify", "demo", code=1)
    typist.types("account", "verify", "demo", f"--password-file={tmp_path}/password")

    assert "does not belong there" in refused
    with bench.database.transaction() as db:
        account = db.scalars(select(Account).where(Account.name == "demo")).one()
        assert opened(bench.line.vault, account, "secret_sealed") == b"secret"


def test_no_value_that_is_stored_names_a_place_of_its_own(database: Database) -> None:
    """What is bound cannot be said to be bound elsewhere: the place is no part of the text."""
    vault = started(database, KEY)
    sealed = vault.seal(SECRET, SecretPlace("account", "secret_sealed", "1", ("a", "b")))

    for beside in (("a,b",), ("a", "b", ""), ("b", "a"), ("ab", "")):
        with pytest.raises(MovedSecretError):
            vault.open(sealed, SecretPlace("account", "secret_sealed", "1", beside))
    with pytest.raises(WrongSecretKeyError, match="it names key"):
        Vault(NEW).open(sealed, SecretPlace("account", "secret_sealed", "1", ("a", "b")))
    for changed in (sealed[:-4] + b"AAAA", sealed + b"A", sealed[:40], sealed + b"\n"):
        with pytest.raises(MovedSecretError):
            vault.open(changed, SecretPlace("account", "secret_sealed", "1", ("a", "b")))


def test_each_table_with_secrets_is_tried_here() -> None:
    assert {each.table.name for each in places()} == {
        *(table.__tablename__ for table in TABLES),
        Command.__tablename__,
    }
