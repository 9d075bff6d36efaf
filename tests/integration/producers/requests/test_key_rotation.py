"""Tests of key rotation: every stored secret is re-encrypted with the newest key despite concurrent changes."""

import json
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from sqlalchemy import LargeBinary, func, select, text

from certline.models import (
    Account,
    AuditEntry,
    Certificate,
    Command,
    CommandType,
    Database,
    every_table,
)
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from certline.models.commands.kinds import KINDS
from certline.models.key_rotation import SEALED, places
from certline.models.vault import Vault
from certline.producers.requests import secret_keys
from certline.producers.requests.secret_keys import Rotation, key_uses
from tests.integration.producers.sealed import NEW, OLD, SECRET, fill, rotate, secrets
from tests.support.factories import a_certificate, an_account, an_order


class Died(BaseException):
    """Raised to end the process in the middle."""


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, pool_size=4)
    yield database
    database.close()


@pytest.fixture
def both() -> Vault:
    """Return the vault once a new key was put before the old one."""
    return Vault(f"{NEW},{OLD}")


def test_every_secret_opens_with_the_new_key_alone(database: Database, both: Vault) -> None:
    fill(database, Vault(OLD), 3)
    before = secrets(database, both)
    assert {name for name, values in before.items() if values} == {str(each) for each in places()}

    rotation = rotate(database, both)

    after = secrets(database, Vault(NEW))
    letters = after.pop("dead_letter.body_sealed")
    assert after == {k: v for k, v in before.items() if k != "dead_letter.body_sealed"}
    for body in letters:  # what was sealed within it, too
        inner = json.loads(body)["data"]["keystore_password_sealed"]
        assert Vault(NEW).open_token(inner.encode())[1] == SECRET
    assert (rotation.renewed.total(), rotation.busy, rotation.unreadable) == (30, 0, {})
    with database.transaction() as db:
        command = db.scalars(select(Command)).first()
        assert command is not None
        assert (command.payload["common_name"], command.payload["term"]) == ("a", 7)


def test_which_key_is_needed_for_what_is_counted_and_an_old_one_may_go_at_the_end(
    database: Database, both: Vault
) -> None:
    fill(database, Vault(OLD), 2)
    fill(database, Vault(NEW))
    (new, old), unreadable = key_uses(database, both)
    assert (new.key, old.key) == tuple(both.keys)
    assert (new.is_newest, old.is_newest, old.may_go, unreadable) == (True, False, False, {})
    # A dead letter has two secrets: its body, and the password in it.
    assert dict(old.used_in) == {str(each): 4 if each.nested else 2 for each in places()}

    rotate(database, both)

    (new, old), _ = key_uses(database, both)
    assert (old.secrets, old.may_go) == (0, True)
    assert (new.secrets, new.may_go) == (33, False)


def test_a_second_rotation_finds_nothing_to_do(database: Database, both: Vault) -> None:
    fill(database, Vault(OLD))
    rotate(database, both)
    written = database.run(lambda db: db.scalars(select(Account.secret_sealed)).all())

    assert rotate(database, both).renewed.total() == 0
    assert database.run(lambda db: db.scalars(select(Account.secret_sealed)).all()) == written


def test_what_was_rotated_is_in_the_log_without_any_secret(database: Database, both: Vault) -> None:
    fill(database, Vault(OLD), 2)
    rotate(database, both)

    with database.transaction() as db:
        rows = db.scalars(select(AuditEntry).where(AuditEntry.type == "keys.rotated")).all()
        assert {row.subject: row.data["rows"] for row in rows} == {
            str(each): 2 for each in places()
        }
        assert {row.data["key"] for row in rows} == {both.keys[0]}
        assert {row.who for row in rows} == {"os:ida"}


def test_a_killed_rotation_goes_on_where_it_was(
    database: Database, both: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secret_keys, "PIECE", 2)
    fill(database, Vault(OLD), 5)
    seen = [0]

    def die(renewed: int) -> None:
        seen.append(renewed)
        if renewed >= 6:
            raise Died

    with suppress(Died):
        Rotation(database, both, who=Identity("os:ida"), tell=die).run()
    (_, old), _ = key_uses(database, both)
    assert not old.may_go

    assert rotate(database, both).renewed.total() == 50 - seen[-1] < 50
    (_, old), _ = key_uses(database, both)
    assert old.may_go


def test_a_row_that_somebody_is_at_is_waited_for_and_what_they_write_stays(
    database: Database, both: Vault
) -> None:
    fill(database, Vault(OLD))
    changed, told = threading.Event(), threading.Event()

    def change() -> None:
        """Change the account's password in a slow transaction."""
        with database.transaction() as db:
            account = db.scalars(select(Account).with_for_update()).one()
            account.secret_sealed = Vault(OLD).seal_token(b"a new one")
            db.flush()
            changed.set()
            told.wait(30)

    person = threading.Thread(target=change)
    person.start()
    changed.wait(30)
    rotation = Rotation(database, both, who=Identity("os:ida"), tell=lambda _renewed: told.set())
    rotation.run()
    person.join(30)

    assert rotation.busy == 0
    assert secrets(database, Vault(NEW))["account.secret_sealed"] == [b"a new one"]


def test_what_a_line_that_goes_on_stores_meanwhile_is_found_too(
    database: Database, both: Vault
) -> None:
    fill(database, Vault(OLD))
    late = iter(range(3))

    def store_more(_renewed: int) -> None:
        if next(late, None) is not None:
            fill(database, Vault(OLD))

    Rotation(database, both, who=Identity("os:ida"), tell=store_more).run()

    (_, old), _ = key_uses(database, both)
    assert old.may_go
    assert len(secrets(database, Vault(NEW))["account.secret_sealed"]) == 4


def test_a_secret_that_no_key_opens_is_named_and_left_as_it_is(
    database: Database, both: Vault
) -> None:
    fill(database, Vault(OLD))
    with database.transaction() as db:
        lost = an_account(db, secret_sealed=b"torn").id

    rotation = rotate(database, both)

    assert rotation.unreadable == {"account.secret_sealed": [str(lost)]}
    (_, old), unreadable = key_uses(database, both)
    assert (old.may_go, unreadable) == (True, {"account.secret_sealed": 1})
    with database.transaction() as db:
        assert db.get_one(Account, lost).secret_sealed == b"torn"


def test_rows_without_a_secret_are_left_alone(database: Database, both: Vault) -> None:
    with database.transaction() as db:
        a_certificate(
            db, an_order(db, an_account(db, secret_sealed=None, status="removed"), status="stored")
        )
        accept(db, CommandType.ORDER, {"term": 7}, requested_by=Identity("os:ida"), source="cli")

    rotation = rotate(database, both)

    assert (rotation.renewed.total(), rotation.unreadable) == (0, {})
    with database.transaction() as db:
        assert db.scalars(select(Command.payload)).one() == {"term": 7}
        assert db.scalars(select(Certificate.keystore_password_sealed)).one() is None


def test_each_place_with_secrets_is_known_to_the_rotation() -> None:
    """A new column for secrets must be bytes or a field of a command, and named `…_sealed`."""
    known = {str(place) for place in places()}
    binary = {
        f"{table.name}.{column.name}"
        for table in every_table()
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }
    fields = {
        f"command.payload.{name}"
        for kind in KINDS.values()
        for name in kind.payload.model_fields
        if name.endswith(SEALED)
    }

    # A proof is no secret: it is a random text that shows who has the key. The relay, which has no secret key,
    # signs the witness (docs/decisions/witness.md).
    unsealed = {"secret_key.proof", "recovery.witness_key"}
    assert (binary | fields) - unsealed == known
    assert all(len(place.table.primary_key.columns) == 1 for place in places())


def test_no_column_beside_these_has_a_secret(database: Database, both: Vault) -> None:
    """After a rotation no column of any table holds anything like a Fernet token of the old key."""
    fill(database, Vault(OLD))
    rotate(database, both)

    with database.transaction() as db:
        for table in every_table():
            for row in db.execute(
                select(func.to_jsonb(text(f'"{table.name}"'))).select_from(table)
            ):
                assert_under_new_key(table.name, json.dumps(row[0]))


def assert_under_new_key(name: str, row: str) -> None:
    for word in row.replace("\\", '"').split('"'):
        # Columns of bytes are shown in hex: here "gAAA" and "cert", the beginnings of both forms.
        in_hex = word.startswith(("x67414141", "x63657274"))
        token = bytes.fromhex(word[1:]) if in_hex else word.encode()
        assert Vault(OLD).keys[0] not in token.decode("latin-1"), name
        if token.startswith(b"gAAAA"):
            assert Vault(NEW).open_token(token), name
