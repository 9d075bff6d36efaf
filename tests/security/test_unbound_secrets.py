"""Attacks of somebody who may write to the database: secrets bound to no row, which he puts back."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from certline.models import Account, AuditEntry, Database, SecretKey, Webhook
from certline.models.audit.identity import Identity
from certline.models.database.secret_place import place_of
from certline.models.key_proof import key_fault, watch_keys
from certline.models.key_rotation import places
from certline.models.settings import settings
from certline.models.vault import MovedSecretError, Vault
from certline.producers.requests import secret_keys
from certline.producers.requests.secret_keys import Rotation, key_uses, require_bound
from certline.workers.runtime.context import login_of
from tests.integration.cli.conftest import Typist, a_typist
from tests.integration.producers.sealed import SECRET, fill, secrets
from tests.security.vaults import KEY, NEW, started
from tests.support.factories import an_account


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
