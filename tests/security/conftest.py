"""Fixtures: an installation whose parts log in to Postgres as a role of their own."""

from collections.abc import Iterator

import pytest

from certline.models import Database
from certline.models.database.app_role import grant_rights, prepare_role
from tests.security.roles import PASSWORD, a_role_name, url_as


@pytest.fixture
def app_role(database_url: str) -> Iterator[str]:
    """Yield the name of an app role that `certline init` has prepared."""
    with a_role_name(database_url) as role:
        owner = Database(database_url, pool_size=1)
        with owner.engine.begin() as connection:
            prepare_role(connection, role, PASSWORD)
            grant_rights(connection, role)
        owner.close()
        yield role


@pytest.fixture
def app_url(database_url: str, app_role: str) -> str:
    """Return the URL of the test's database for the app role."""
    return url_as(database_url, app_role)
