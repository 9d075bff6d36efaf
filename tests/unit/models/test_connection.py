"""Tests of how the URL of Postgres is read, for pools and for the relay's LISTEN."""

import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.exc import ArgumentError

from certline.models.database.connection import (
    SERVER_OPTIONS,
    connection_string,
    parameters_of,
)
from certline.models.server_url import POSTGRES, url_fault, without_password

PAIR = "postgresql://ida:hunter2@db1:5432,db2:5433/line?target_session_attrs=read-write"


def test_several_hosts_are_handed_to_libpq_with_their_ports() -> None:
    found = parameters_of(PAIR)

    assert (found["host"], found["port"]) == ("db1,db2", "5432,5433")
    assert found["target_session_attrs"] == "read-write"
    assert (found["user"], found["password"], found["dbname"]) == ("ida", "hunter2", "line")


def test_several_hosts_are_a_setting_without_fault_and_shown_without_the_password() -> None:
    assert url_fault(PAIR, POSTGRES) is None
    assert without_password(PAIR) == PAIR.replace("hunter2", "***")


def test_a_dead_host_is_left_within_25_seconds_unless_the_url_says_otherwise() -> None:
    assert parameters_of(PAIR)["tcp_user_timeout"] == 25_000
    assert parameters_of(f"{PAIR}&connect_timeout=3")["connect_timeout"] == "3"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_each_scheme_is_read_for_a_connection_outside_a_pool(scheme: str) -> None:
    found = conninfo_to_dict(connection_string(f"{scheme}://ida:p%40ss@db1/line"))

    assert (found["host"], found["password"], found["dbname"]) == ("db1", "p@ss", "line")


def test_a_url_that_cannot_be_read_is_not_repeated_in_the_error() -> None:
    with pytest.raises(ArgumentError) as refused:
        parameters_of("postgresql://ida:hunter2@db1/line?nonsense=1")

    assert "hunter2" not in str(refused.value)


def test_postgres_gives_up_a_connection_outside_a_pool_as_soon_as_others() -> None:
    own = "postgresql://ida@db1/line?options=-c%20tcp_user_timeout%3D4000"

    options = str(conninfo_to_dict(connection_string(own))["options"])

    assert options == f"{SERVER_OPTIONS} -c tcp_user_timeout=4000"
