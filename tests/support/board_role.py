"""The board's role of Postgres for a test."""

from collections.abc import Iterator
from contextlib import contextmanager

from certline.models import Database
from certline.models.database.app_role import prepare_role
from certline.models.database.board_role import grant_reading
from tests.security.roles import PASSWORD, a_role_name, url_as


@contextmanager
def board_login(database_url: str) -> Iterator[str]:
    """Yield the URL of a database for a role that `certline init --board-role` has prepared."""
    with a_role_name(database_url) as role:
        owner = Database(database_url, pool_size=1)
        with owner.engine.begin() as connection:
            prepare_role(connection, role, PASSWORD)
            grant_reading(connection, role)
        owner.close()
        yield url_as(database_url, role)
