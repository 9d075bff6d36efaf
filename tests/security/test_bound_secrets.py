"""Attacks of somebody who may write to the database, but has no secret key: secrets that he moves do not open."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, update

from certline.models import (
    Account,
    AccountStatus,
    Certificate,
    Command,
    Database,
    DeadLetter,
    DnsProvider,
    NoticeRoute,
    Order,
    OrderStatus,
    PrivateKey,
    SealingKey,
    Webhook,
)
from certline.models.ciphers.place import IN_HAND, SecretPlace, in_command
from certline.models.database.secret_place import place_of
from certline.models.key_rotation import places
from certline.models.settings import settings
from certline.models.vault import MovedSecretError, Vault, WrongSecretKeyError
from certline.workers.runtime.context import login_of
from tests.integration.cli.conftest import Typist
from tests.integration.producers.sealed import SECRET, fill
from tests.integration.workers.conftest import Bench
from tests.security.vaults import KEY, NEW, started
from tests.support.factories import an_account
from tests.support.sealed_rows import opened, seal_in, stored_secrets

TABLES = (
    *(Account, Certificate, DeadLetter, DnsProvider, NoticeRoute, Order, PrivateKey),
    *(SealingKey, Webhook),
)


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
    bench.run(command.id)
    bench.make_due()
    bench.run_due()
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
