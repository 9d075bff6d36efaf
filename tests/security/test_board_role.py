"""Tests of what somebody can do who has taken over the board: read what it shows, and nothing else."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import LargeBinary, Table

from certline.models import Database, every_table
from certline.models.database.board_role import SHOWN, grant_reading_anew, shown_columns
from tests.security.roles import run
from tests.support.board_role import board_login

TABLES = sorted(every_table(), key=lambda table: table.name)
# Words in the names of columns with secrets, and the columns that have such a word and none.
SECRET_WORDS = ("sealed", "secret", "password", "private", "payload", "body", "token", "proof")
NO_SECRETS = {
    *("webhook.allow_private", "account.token_url"),
    # Records of the DNS, and files behind a URL.
    *(f"domain_validation.proof_{what}" for what in ("name", "value", "at")),
}


@pytest.fixture
def board_url(database_url: str) -> Iterator[str]:
    """Yield the URL of the test's database for the board's role."""
    with board_login(database_url) as url:
        yield url


def refused(url: str, statement: sql.Composed) -> bool:
    """Return True if Postgres refuses a statement for want of rights."""
    with psycopg.connect(url) as connection:
        try:
            connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege:
            return True
        return False


def test_it_can_write_no_table(board_url: str) -> None:
    deeds = (
        "DELETE FROM {}",
        "TRUNCATE {} CASCADE",
        "INSERT INTO {} DEFAULT VALUES",
        "DROP TABLE {} CASCADE",
        "LOCK TABLE {} IN EXCLUSIVE MODE",
    )
    done = [
        deed.format(table.name)
        for table in TABLES
        for deed in deeds
        if not refused(board_url, sql.SQL(deed).format(sql.Identifier(table.name)))
    ]

    assert done == []


def test_it_can_change_no_column(board_url: str) -> None:
    update = sql.SQL("UPDATE {} SET {} = DEFAULT")
    changed = [
        f"{table.name}.{column.name}"
        for table in TABLES
        for column in table.columns
        if not refused(
            board_url,
            update.format(sql.Identifier(table.name), sql.Identifier(column.name)),
        )
    ]

    assert changed == []


@pytest.mark.parametrize("table", TABLES, ids=lambda table: str(table.name))
def test_it_reads_the_columns_that_are_shown_and_no_other(board_url: str, table: Table) -> None:
    select = sql.SQL("SELECT {} FROM {}")
    readable = {
        column.name
        for column in table.columns
        if not refused(
            board_url, select.format(sql.Identifier(column.name), sql.Identifier(table.name))
        )
    }

    assert readable == set(shown_columns(table))


def test_no_column_with_a_secret_is_shown() -> None:
    shown = {
        f"{table.name}.{column.name}": column
        for table in TABLES
        for column in table.columns
        if column.name in shown_columns(table)
    }

    assert not [name for name, column in shown.items() if isinstance(column.type, LargeBinary)]
    assert {
        name for name in shown if any(word in name.partition(".")[2] for word in SECRET_WORDS)
    } <= NO_SECRETS


def test_each_table_that_is_shown_exists() -> None:
    columns = {table.name: {column.name for column in table.columns} for table in TABLES}

    assert set(SHOWN) <= set(columns)
    assert all(withheld <= columns[name] for name, withheld in SHOWN.items())


@pytest.mark.parametrize("name", ["private_key", "secret_key", "sealing_key"])
def test_tables_of_keys_are_closed(board_url: str, name: str) -> None:
    count = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))

    assert refused(board_url, count)


def role_of(url: str) -> str:
    """Return the role that a URL logs in as."""
    return url.partition("//")[2].partition(":")[0]


def test_a_migration_gives_it_new_columns_as_well(database_url: str, board_url: str) -> None:
    role = role_of(board_url)
    run(database_url, "REVOKE SELECT (name) ON organization FROM " + role)  # noqa: S608  # a role of this test
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        run(board_url, "SELECT name FROM organization")
    owner = Database(database_url, pool_size=1)

    with owner.engine.begin() as connection:
        assert role in grant_reading_anew(connection)

    run(board_url, "SELECT name FROM organization")
    owner.close()


def test_rights_that_were_too_many_are_taken_back(database_url: str, board_url: str) -> None:
    run(database_url, f"GRANT SELECT, UPDATE ON private_key, webhook TO {role_of(board_url)}")
    owner = Database(database_url, pool_size=1)

    with owner.engine.begin() as connection:
        grant_reading_anew(connection)
    owner.close()

    for statement in ("SELECT * FROM private_key", "UPDATE webhook SET status = 'active'"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            run(board_url, statement)
