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

import pytest
import requests
import yaml

from certline.simulator.server import Simulator
from tests.security import roles
from tests.security.roles import whole
from tests.support.deployment import Plant

app_role = roles.app_role
app_url = roles.app_url

ROOT = Path(__file__).parents[2]
PASSWORDS = (
    *("POSTGRES_PASSWORD", "POSTGRES_APP_PASSWORD", "POSTGRES_BOARD_PASSWORD", "BOARD_PASSWORD"),
    "RABBITMQ_WORKER_PASSWORD",
    *("RABBITMQ_RELAY_PASSWORD", "RABBITMQ_INGRESS_PASSWORD", "GRAFANA_ADMIN_PASSWORD"),
)
ORDER = (
    *("--common-name", "two.nordhafen.example", "--organization", "Nordhafen University"),
    *("--profile", "OV Multi-Domain SSL", "--term", "90"),
)
PARTS = ("worker", "hooks", "relay", "ingress", "producer")


def services() -> dict[str, Any]:
    """Return the services of compose.yaml."""
    return dict(yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"])


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
        for name in ("init", "board", "board-users", *PARTS)
    }

    assert logins == {
        "init": ["certline"],
        "worker": ["certline_app", "certline-worker"],
        "hooks": ["certline_app", "certline-worker"],
        "relay": ["certline_app", "certline-relay"],
        "ingress": ["certline_app", "certline-ingress"],
        "producer": ["certline_app"],
        "board": ["certline_board"],
        "board-users": [],
    }
    passwords = {
        name: set(re.findall(r"\$\{(\w+_PASSWORD)", str(found[name].get("environment"))))
        for name in found
    }
    assert passwords["worker"] == {"POSTGRES_APP_PASSWORD", "RABBITMQ_WORKER_PASSWORD"}
    assert passwords["board"] == {"POSTGRES_BOARD_PASSWORD"}
    assert passwords["board-users"] == {"BOARD_PASSWORD"}
    assert passwords["postgres"] == {"POSTGRES_PASSWORD"}
    assert passwords["rabbitmq"] == set()
    assert not [name for name in found if "env_file" in found[name]]


def test_the_secret_key_reaches_only_those_parts_that_read_or_write_secrets() -> None:
    found = services()
    having = {name for name in found if "CERTLINE_SECRET_KEY" in str(found[name])}

    assert having == {"worker", "hooks", "ingress"}


def test_the_board_is_reached_from_this_machine_only_and_not_without_a_log_in() -> None:
    found = services()["board"]

    assert all(port.startswith("127.0.0.1:") for port in found["ports"])
    assert found["environment"]["CERTLINE_BOARD_USERS_FILE"]
    assert found["volumes"] == ["board:/var/lib/certline/access:ro"]
    assert services()["board-users"]["network_mode"] == "none"


def test_each_part_that_uses_rabbitmq_has_a_user_of_its_own_in_the_definitions() -> None:
    definitions = json.loads((ROOT / "deploy/rabbitmq/definitions.json").read_text("utf-8"))
    users = {each["name"] for each in definitions["users"] if each["name"].startswith("certline-")}
    urls = set(re.findall(r"amqp://([\w-]+):", str(services())))

    assert urls == users
    assert not any("administrator" in each["tags"] for each in definitions["users"])
    assert "RABBITMQ_DEFAULT" not in (ROOT / "compose.yaml").read_text("utf-8")


def test_the_image_can_be_built_from_what_the_context_has() -> None:
    # `.dockerignore` leaves everything out but the paths that it names after an exclamation mark.
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    taken = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = re.findall(
        r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE
    )
    sources = {source for each in copied for source in each.split()}

    assert "*" in lines
    assert sources == taken
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_images_can_be_pinned_by_digest() -> None:
    found = services()

    assert found["postgres"]["image"] == "${POSTGRES_IMAGE:-postgres:17}"
    assert found["rabbitmq"]["image"] == "${RABBITMQ_IMAGE:-rabbitmq:4-management}"
    assert found["worker"]["build"]["args"]["PYTHON_IMAGE"].startswith("${PYTHON_IMAGE:-")
    assert found["prometheus"]["image"].startswith("${PROMETHEUS_IMAGE:-prom/prometheus:v")
    assert found["grafana"]["image"].startswith("${GRAFANA_IMAGE:-grafana/grafana-oss:")


def test_whoever_takes_over_the_monitoring_has_no_login_and_writes_no_file_but_its_own() -> None:
    found = services()

    for name in ("prometheus", "grafana"):
        service = found[name]
        assert service["profiles"] == ["monitoring"]
        for setting in ("read_only", "init", "cap_drop", "security_opt", "tmpfs", "restart"):
            assert service[setting] == found["worker"][setting], f"{name}: {setting}"
        assert not re.search(r"postgresql://|amqp://|SECRET_KEY", str(service))
        # Everybody who reaches Prometheus may read it.
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        own = [each for each in service["volumes"] if not each.endswith(":ro")]
        assert [each.partition(":")[0] for each in own] == [name]
    environment = found["grafana"]["environment"]
    assert "${GRAFANA_ADMIN_PASSWORD:?" in environment["GF_SECURITY_ADMIN_PASSWORD"]
    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "false"


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
