"""Tests of the proof of secret keys: who may start, and who is refused before anything is written."""

from threading import Barrier, Thread

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import event, select

from certline.models import Account, AuditEntry, Database, SecretKey
from certline.models.audit.identity import Identity
from certline.models.key_proof import (
    UnprovenKeyError,
    key_fault,
    keys_in_use,
    prove,
    remove_keys,
    start_over,
    watch_keys,
)
from certline.models.vault import Vault, WithdrawnVaultError, WrongSecretKeyError
from tests.support.factories import an_account

OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))


def start(database: Database, *keys: str) -> Vault:
    """Prove a process's keys, the newest first, as its start does."""
    vault = Vault(",".join(keys))
    with database.transaction() as db:
        prove(db, vault, who=Identity("os:test"))
    return vault


def refused(database: Database, *keys: str) -> str:
    """Prove keys that are refused. Returns the reason."""
    with pytest.raises(UnprovenKeyError) as why:
        start(database, *keys)
    return str(why.value)


def in_use(database: Database) -> set[str]:
    with database.transaction() as db:
        return set(keys_in_use(db))


def test_the_first_key_is_noted_and_another_one_is_refused(database: Database) -> None:
    first = start(database, OLD)
    start(database, OLD)

    why = refused(database, OTHER)

    assert in_use(database) == set(first.keys)
    assert first.keys[0] in why
    assert "nothing was written" in why
    assert OLD not in why + OTHER


def test_a_proven_key_costs_one_statement(database: Database) -> None:
    start(database, OLD)
    statements = []
    event.listen(database.engine, "before_cursor_execute", lambda *seen: statements.append(seen[2]))

    start(database, OLD)

    assert len(statements) == 1


def test_a_new_key_counts_from_its_first_use_and_the_old_one_alone_is_refused(
    database: Database,
) -> None:
    old = start(database, OLD)
    new = start(database, NEW, OLD)

    assert in_use(database) == {*old.keys, new.keys[0]}
    assert new.keys[0] in refused(database, OLD)  # it could not read what is sealed from now on
    assert old.keys[0] in refused(database, NEW)  # the stored secrets are still the old key's


def test_after_a_rotation_the_new_key_is_enough(database: Database) -> None:
    old = start(database, OLD)
    start(database, NEW, OLD)
    with database.transaction() as db:
        remove_keys(db, old.keys, what="keys.retired", who=Identity("os:test"))

    new = start(database, NEW)

    assert in_use(database) == set(new.keys)
    refused(database, OLD)
    with database.transaction() as db:
        told = db.scalars(select(AuditEntry.type).where(AuditEntry.type.like("keys.%"))).all()
    assert sorted(told) == ["keys.added", "keys.added", "keys.retired"]


def test_of_two_first_processes_with_different_keys_one_wins(database: Database) -> None:
    together, ended = Barrier(2), []

    def begin(key: str) -> None:
        together.wait(30)
        try:
            start(database, key)
            ended.append("started")
        except UnprovenKeyError:
            ended.append("refused")

    threads = [Thread(target=begin, args=(key,)) for key in (OLD, OTHER)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(ended) == ["refused", "started"]
    assert len(in_use(database)) == 1


def test_secrets_of_a_version_without_proofs_decide_at_first(database: Database) -> None:
    with database.transaction() as db:
        an_account(db, secret_sealed=Vault(OLD).seal(b"hunter2"))

    assert "cannot be read" in refused(database, OTHER)
    assert in_use(database) == set()
    start(database, NEW, OLD)

    # The old key is in use too, although it is not the newest one of the process that noted it.
    assert in_use(database) == {*Vault(OLD).keys, *Vault(NEW).keys}
    refused(database, NEW)


def test_a_lost_key_can_be_given_up(database: Database) -> None:
    with database.transaction() as db:
        an_account(db, secret_sealed=Vault(OLD).seal(b"hunter2"))
        assert start_over(db, Vault(NEW), who=Identity("os:test"))

    start(database, NEW)
    with database.transaction() as db:
        assert not start_over(db, Vault(OTHER), who=Identity("os:test"))


def test_a_running_process_is_withdrawn_once_others_have_another_key(database: Database) -> None:
    running = start(database, OLD)
    watch_keys(database, running)
    new = start(database, NEW, OLD)

    with pytest.raises(WithdrawnVaultError, match=new.keys[0]):
        running.open(new.seal(b"hunter2"))
    with pytest.raises(WithdrawnVaultError):
        running.seal(b"hunter3")


def test_one_lost_secret_does_not_withdraw_a_process(database: Database) -> None:
    running = start(database, OLD)
    watch_keys(database, running)

    with pytest.raises(WrongSecretKeyError):
        running.open(Vault(OTHER).seal(b"hunter2"))

    assert running.open(running.seal(b"hunter3")) == b"hunter3"


def test_reporting_a_fault_writes_nothing(database: Database) -> None:
    with database.transaction() as db:
        assert key_fault(db, Vault(OLD)) is None
        assert db.scalars(select(SecretKey)).all() == []
        assert db.scalars(select(Account)).all() == []
