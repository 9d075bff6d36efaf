# ruff: noqa: F811 -- fixtures are imported
"""Tests of what an attacker gets in compose: by a default password, a part's login, its environment."""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
import yaml
from sqlalchemy import text

from certline.models import Database
from certline.models.audit.chain import breaks_in
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.database.app_role import (
    AppRoleError,
    grant_anew,
    grant_rights,
    prepare_role,
)
from certline.models.settings import settings
from certline.simulator.server import Simulator
from tests.integration.cli.conftest import Typist, typist  # noqa: F401  # a fixture
from tests.security.roles import (  # noqa: F401  # fixtures
    PASSWORD,
    a_role_name,
    app_role,
    app_url,
    run,
    url_as,
)
from tests.support.deployment import Plant

ROOT = Path(__file__).parents[2]
PASSWORDS = (
    *("POSTGRES_PASSWORD", "POSTGRES_APP_PASSWORD", "RABBITMQ_WORKER_PASSWORD"),
    *("RABBITMQ_RELAY_PASSWORD", "RABBITMQ_INGRESS_PASSWORD"),
)
ORDER = (
    *("--common-name", "two.nordhafen.example", "--organization", "Nordhafen University"),
    *("--profile", "OV Multi-Domain SSL", "--term", "90"),
)
PARTS = ("worker", "hooks", "relay", "ingress", "producer")


def services() -> dict[str, Any]:
    """Return the services of compose.yaml."""
    return dict(yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"])


def entered(database: Database, who: str = "ida") -> None:
    """Record an audit entry."""
    with database.transaction() as db:
        record(db, "order.placed", "01J", who=Identity(f"os:{who}"))


def whole(url: str) -> bool:
    """Return True if the audit log has no break."""
    owner = Database(url, pool_size=1)
    try:
        return not owner.run(lambda db: list(breaks_in(db)))
    finally:
        owner.close()


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
    "add a link to the chain": "INSERT INTO event_link VALUES (2, 2, 'a')",
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
        "CREATE TEMPORARY TABLE event_head AS SELECT 1 AS id, 0::bigint AS seq, 'mine' AS hash",
        "CREATE TEMPORARY TABLE event_link (seq bigint, event_id bigint, hash text)",
        "SET search_path = pg_temp, public",
        "INSERT INTO public.event (type, subject, who, data) "
        "VALUES ('order.placed', '01J', 'eve', '{}')",
    )

    owner = Database(database_url, pool_size=1)
    with owner.transaction() as db:
        assert list(breaks_in(db)) == []
        assert db.scalar(text("SELECT seq FROM event_head")) == 1
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


def test_no_login_has_a_password_that_everybody_knows() -> None:
    text = (ROOT / "compose.yaml").read_text("utf-8")
    used = re.findall(r"\$\{(\w*(?:PASSWORD|SECRET_KEY))([^}]*)\}", text)

    assert {name for name, _ in used} == {*PASSWORDS, "CERTLINE_SECRET_KEY"}
    # `:?` and no `:-`: without a value, compose starts nothing, and says what to do.
    assert {rest.startswith(":?run make up") for _, rest in used} == {True}
    logins = re.findall(r"(?:postgresql|amqp)://([\w-]+):([^@]*)@", text)
    assert all(password.startswith("${") for _, password in logins)


def test_a_part_that_was_taken_over_has_nobody_elses_login() -> None:
    found = services()
    logins = {
        name: [
            login
            for value in (found[name].get("environment") or {}).values()
            for login in re.findall(r"(?:postgresql|amqp)://([\w-]+):", str(value))
        ]
        for name in ("init", *PARTS)
    }

    assert logins == {
        "init": ["certline"],
        "worker": ["certline_app", "certline-worker"],
        "hooks": ["certline_app", "certline-worker"],
        "relay": ["certline_app", "certline-relay"],
        "ingress": ["certline_app", "certline-ingress"],
        "producer": ["certline_app"],
    }
    passwords = {
        name: set(re.findall(r"\$\{(\w+_PASSWORD)", str(found[name].get("environment"))))
        for name in found
    }
    assert passwords["worker"] == {"POSTGRES_APP_PASSWORD", "RABBITMQ_WORKER_PASSWORD"}
    assert passwords["postgres"] == {"POSTGRES_PASSWORD"}
    assert passwords["rabbitmq"] == set()
    assert not [name for name in found if "env_file" in found[name]]


def test_the_secret_key_reaches_only_those_parts_that_read_or_write_secrets() -> None:
    found = services()
    having = {name for name in found if "CERTLINE_SECRET_KEY" in str(found[name])}

    assert having == {"worker", "hooks", "ingress"}


def test_each_part_that_uses_rabbitmq_has_a_user_of_its_own_in_the_definitions() -> None:
    definitions = json.loads((ROOT / "deploy/rabbitmq/definitions.json").read_text("utf-8"))
    users = {each["name"] for each in definitions["users"] if each["name"].startswith("certline-")}
    urls = set(re.findall(r"amqp://([\w-]+):", str(services())))

    assert urls == users
    assert not any("administrator" in each["tags"] for each in definitions["users"])
    assert "RABBITMQ_DEFAULT" not in (ROOT / "compose.yaml").read_text("utf-8")


def test_images_can_be_pinned_by_digest() -> None:
    found = services()

    assert found["postgres"]["image"] == "${POSTGRES_IMAGE:-postgres:17}"
    assert found["rabbitmq"]["image"] == "${RABBITMQ_IMAGE:-rabbitmq:4-management}"
    assert found["worker"]["build"]["args"]["PYTHON_IMAGE"].startswith("${PYTHON_IMAGE:-")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder with the script that makes passwords."""
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "deploy" / "passwords.sh", tmp_path / "deploy")
    return tmp_path


def make_passwords(checkout: Path, **variables: str) -> tuple[dict[str, str], str]:
    """Run the script. Returns what is in .env, and what was said."""
    done = subprocess.run(
        ["sh", checkout / "deploy" / "passwords.sh"],
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == ""
    lines = (checkout / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line), done.stderr


def test_passwords_are_made_once_each_another_one_and_nobody_else_reads_them(
    checkout: Path,
) -> None:
    (checkout / ".env").write_text("# ours\nRABBITMQ_PORT=5673")  # no line end
    (checkout / ".env").chmod(0o644)

    made, said = make_passwords(checkout)

    assert (checkout / ".env").stat().st_mode & 0o777 == 0o600
    assert made["RABBITMQ_PORT"] == "5673"
    values = [made[name] for name in PASSWORDS]
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in values)
    assert len(set(values)) == len(values)
    assert len(base64.urlsafe_b64decode(made["CERTLINE_SECRET_KEY"])) == 32
    assert not any(value in said for value in made.values() if len(value) > 4)
    assert make_passwords(checkout) == (made, "")


def test_what_is_set_already_is_kept(checkout: Path) -> None:
    (checkout / ".env").write_text("CERTLINE_SECRET_KEY=mine\n")

    made, said = make_passwords(checkout, POSTGRES_APP_PASSWORD="in the shell")

    assert made["CERTLINE_SECRET_KEY"] == "mine"
    assert "POSTGRES_APP_PASSWORD" not in made
    # The one installation that has a key and no password is that of an earlier version.
    assert "from-a-version-with-default-passwords" in said


def test_rabbitmq_gets_hashes_and_forgets_no_password_of_another_system(tmp_path: Path) -> None:
    output = tmp_path / "definitions.json"
    variables = {f"RABBITMQ_{part}_PASSWORD": part for part in ("WORKER", "RELAY", "INGRESS")}
    program = [sys.executable, str(ROOT / "deploy/rabbitmq/passwords.py")]
    words = [*program, str(ROOT / "deploy/rabbitmq/definitions.json"), str(output)]

    subprocess.run(words, env=variables, check=True, timeout=60)

    filled = json.loads(output.read_text("utf-8"))
    assert {user["name"] for user in filled["users"]} == {
        *("certline-worker", "certline-relay", "certline-ingress")
    }
    for user in filled["users"]:
        digest = base64.b64decode(user["password_hash"])
        password = user["name"].removeprefix("certline-").upper().encode()
        assert digest[4:] == hashlib.sha256(digest[:4] + password).digest()
    assert {each["user"] for each in filled["permissions"]} == {
        user["name"] for user in filled["users"]
    }
    assert [each["name"] for each in filled["exchanges"]] == [
        "certline.commands",
        "certline.events",
    ]

    del variables["RABBITMQ_RELAY_PASSWORD"]
    refused = subprocess.run(
        words, env=variables, capture_output=True, text=True, check=False, timeout=60
    )
    assert refused.returncode == 1
    assert "RABBITMQ_RELAY_PASSWORD is not set" in refused.stderr


def test_a_line_does_all_its_work_with_fewer_rights_and_without_the_key_where_it_needs_none(
    app_url: str, database_url: str, vhost: str, simulator: Simulator
) -> None:
    requests.post(f"{simulator.door}/settings", json={"issue_after_ms": 200}, timeout=30)
    with Plant(app_url, vhost) as plant:
        plant.start("worker")
        key = plant.environment.pop("CERTLINE_SECRET_KEY")
        plant.start("relay")
        plant.start("producer")
        plant.environment["CERTLINE_SECRET_KEY"] = key
        plant.start("ingress")
        plant.add_account(simulator.url)

        command = plant.order("www.nordhafen.example")
        plant.certline("command", "wait", command["id"], "--timeout", "120")
        renewed = plant.json("certificate", "renew", "www.nordhafen.example", "--yes", "--wait")
        assert renewed["status"] == "done"
        plant.certline("license", "set", "7")
        parts = {each["part"]: each for each in plant.json("doctor", expect=0)["parts"]}
        said = plant.certline("doctor")

        assert parts["relay"]["keys"] == parts["producer"]["keys"] == []
        assert parts["relay"]["fault"] is parts["producer"]["fault"] is None
        assert parts["worker"]["keys"] == parts["ingress"]["keys"] != []
        assert "no secret key (it needs none)" in said
        assert "could change the audit log" not in said
        assert plant.json("audit", "verify")["whole"]
        # A worker without its key would be of no use, and says so at once.
        del plant.environment["CERTLINE_SECRET_KEY"]
        assert (
            "CERTLINE_SECRET_KEY"
            in plant.json("order", "create", *ORDER, expect=1)["error"]["message"]
        )
    assert whole(database_url)


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
