# ruff: noqa: F811 -- fixtures are imported
"""Tests of what a part that was taken over can do with its role of Postgres: it cannot rewrite the audit log."""

import psycopg
import pytest
from sqlalchemy import text

from certline.models import Database
from certline.models.audit.chain import breaks_in
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.database.app_role import AppRoleError, grant_anew, grant_rights, prepare_role
from certline.models.settings import settings
from tests.integration.cli.conftest import Typist, typist  # noqa: F401  # a fixture
from tests.security.roles import PASSWORD, a_role_name, app_role, app_url, run, url_as, whole  # noqa: F401  # fixtures


def entered(database: Database, who: str = "ida") -> None:
    """Record an audit entry."""
    with database.transaction() as db:
        record(db, "order.placed", "01J", who=Identity(f"os:{who}"))


FORGERIES = {
    "change an entry": "UPDATE event SET who = 'eve'",
    "delete an entry": "DELETE FROM event",
    "empty the log": "TRUNCATE event",
    "date an entry back": (
        "INSERT INTO event (type, subject, who, data, at) "
        "VALUES ('order.placed', '01J', 'eve', '{}', '2020-01-01')"
    ),
    "choose an entry's number": (
        "INSERT INTO event (id, type, subject, who, data) OVERRIDING SYSTEM VALUE "
        "VALUES (1000, 'order.placed', '01J', 'eve', '{}')"
    ),
    "add a link to the chain": "INSERT INTO event_link (lane, seq, event_id, hash) VALUES (0, 2, 2, 'a')",
    "change a link": "UPDATE event_link SET hash = 'a'",
    "cut the chain": "DELETE FROM event_link",
    "set the head back": "UPDATE event_head SET seq = 0",
    "remove the head": "DELETE FROM event_head",
    "switch the guard off": "ALTER TABLE event DISABLE TRIGGER event_append_only",
    "switch the chain off": "ALTER TABLE event DISABLE TRIGGER ALL",
    "switch all triggers off": "SET session_replication_role = replica",
    "drop the guard": "DROP TRIGGER event_append_only ON event",
    "drop the log": "DROP TABLE event CASCADE",
    "rewrite the chain's function": (
        "CREATE OR REPLACE FUNCTION event_is_chained() RETURNS trigger LANGUAGE plpgsql "
        "AS $$ BEGIN RETURN NULL; END $$"
    ),
    "put a table before the log's": "CREATE TABLE public.event_heads (id int)",
    "go back a version": "UPDATE alembic_version SET version_num = '0001'",
}


def test_a_part_that_was_taken_over_cannot_rewrite_what_it_did(
    database_url: str, app_url: str
) -> None:
    part = Database(app_url, pool_size=1)
    entered(part)
    part.close()

    for deed, statement in FORGERIES.items():
        with pytest.raises(psycopg.Error) as refusal:
            run(app_url, statement)
        assert refusal.value.sqlstate == "42501", (deed, refusal.value)

    run(app_url, "GRANT ALL ON event TO CURRENT_USER")  # a warning: there is nothing it may give
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        run(app_url, FORGERIES["change an entry"])
    assert whole(database_url)


def test_a_part_cannot_have_entries_chained_that_are_not_in_the_log(app_url: str) -> None:
    # The chain is written with the owner's rights: whose trigger it is, is the owner's choice.
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="event_is_chained"):
        run(
            app_url,
            "CREATE TEMPORARY TABLE event (LIKE public.event)",
            "CREATE TRIGGER mine AFTER INSERT ON event FOR EACH ROW "
            "EXECUTE FUNCTION event_is_chained()",
        )


def test_a_part_cannot_lead_the_chain_to_tables_of_its_own(database_url: str, app_url: str) -> None:
    run(
        app_url,
        "CREATE TEMPORARY TABLE event_head AS SELECT 0 AS lane, 0::bigint AS seq, 'mine' AS hash",
        "CREATE TEMPORARY TABLE event_link (lane int, seq bigint, event_id bigint, hash text)",
        "SET search_path = pg_temp, public",
        "INSERT INTO public.event (type, subject, who, data) "
        "VALUES ('order.placed', '01J', 'eve', '{}')",
    )

    owner = Database(database_url, pool_size=1)
    with owner.transaction() as db:
        assert list(breaks_in(db)) == []
        assert db.scalar(text("SELECT sum(seq) FROM event_head")) == 1
    owner.close()


def test_a_migration_gives_the_role_the_rights_on_new_tables(
    database_url: str, app_role: str, app_url: str
) -> None:
    run(database_url, "REVOKE ALL ON webhook, event FROM PUBLIC, " + app_role)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        run(app_url, "SELECT * FROM webhook")
    owner = Database(database_url, pool_size=1)

    with owner.engine.begin() as connection:
        assert grant_anew(connection) == [app_role]

    run(app_url, "SELECT * FROM webhook")
    owner.close()


@pytest.mark.parametrize(
    ("might", "why"),
    [
        ("ALTER ROLE {} SUPERUSER", "is a superuser"),
        ("ALTER ROLE {} CREATEROLE", "may make roles"),
        ("GRANT postgres TO {}", "is a member of"),
    ],
)
def test_a_role_that_could_change_the_log_all_the_same_is_refused(
    database_url: str, app_role: str, might: str, why: str
) -> None:
    run(database_url, might.format(app_role).replace("postgres", _owner(database_url)))
    owner = Database(database_url, pool_size=1)

    with pytest.raises(AppRoleError, match=why), owner.engine.begin() as connection:
        prepare_role(connection, app_role, None)

    run(database_url, f"ALTER ROLE {app_role} NOSUPERUSER NOCREATEROLE")
    owner.close()


def test_rights_that_were_too_many_are_taken_back(
    database_url: str, app_role: str, app_url: str
) -> None:
    run(database_url, f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {app_role}")
    owner = Database(database_url, pool_size=1)

    with owner.engine.begin() as connection:
        grant_rights(connection, app_role)

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        run(app_url, "UPDATE event_head SET seq = 0")
    owner.close()


def test_an_administrator_may_make_the_role_and_without_a_password_it_has_to_be_there(
    database_url: str,
) -> None:
    with a_role_name(database_url) as role:
        owner = Database(database_url, pool_size=1)
        with pytest.raises(AppRoleError, match="CREATE ROLE"), owner.engine.begin() as connection:
            prepare_role(connection, role, None)
        run(database_url, f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")

        with owner.engine.begin() as connection:
            assert not prepare_role(connection, role, None)
            grant_rights(connection, role)

        part = Database(url_as(database_url, role), pool_size=1)
        entered(part)
        part.close()
        owner.close()


def test_an_installation_with_one_role_works_as_before_and_doctor_says_what_that_means(
    typist: Typist,
) -> None:
    said = typist.types("doctor", code=1)

    assert "owns them and could change the audit log (certline init --app-role)" in said
    assert typist.json("init")["app_role"] is None


def test_init_makes_the_role_and_a_part_cannot_migrate(
    typist: Typist, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_role_name(database_url) as role:
        refused = typist.json("init", "--app-role", role, code=1)["error"]
        assert f"no role '{role}'" in refused["message"]
        monkeypatch.setenv("CERTLINE_APP_PASSWORD", PASSWORD)
        settings.cache_clear()

        assert f"{role} was made" in typist.types("init", "--app-role", role)
        assert f"{role} has the rights" in typist.types("init", "--app-role", role)

        with psycopg.connect(database_url) as connection:
            (newest,) = connection.execute("SELECT version_num FROM alembic_version").fetchall()[0]
        run(database_url, "UPDATE alembic_version SET version_num = '0001'")
        monkeypatch.setenv("CERTLINE_DATABASE_URL", url_as(database_url, role))
        settings.cache_clear()
        refused = typist.json("init", code=1)["error"]
        assert PASSWORD not in str(refused)
        assert "Postgres refused" in refused["message"]
        statement = f"UPDATE alembic_version SET version_num = '{newest}'"  # noqa: S608
        run(database_url, statement)
        refused = typist.json("init", "--app-role", role, code=1)["error"]
        assert "does not own the tables" in refused["message"]


def _owner(url: str) -> str:
    with psycopg.connect(url) as connection:
        return str(connection.execute("SELECT current_user").fetchone()[0])  # type: ignore[index]
