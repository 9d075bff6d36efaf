"""Tests of deploy/systemd: it runs what compose.yaml runs, shut in, and systemd finds no fault with the units."""

import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

from certline.models.settings import Settings
from certline.producers.processes import grace
from tests.servers.runtimes import SYSTEMD, missing

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "systemd"
PROGRAM = "/opt/certline/bin/certline"
# Of 10, which is a service without any protection; a service that talks to the network does not get below 1.
MOST_EXPOSED = 2.0
PARTS = ("init", "worker", "hooks", "relay", "ingress", "producer", "board")
# A container has addresses of its own, and compose publishes the port at 127.0.0.1; a unit has the machine's.
HOSTS = {"board": ("--host 0.0.0.0", "--host 127.0.0.1")}

needs_systemd = pytest.mark.skipif(missing(SYSTEMD) is not None, reason=str(missing(SYSTEMD)))


def lines(part: str) -> list[str]:
    """Return the lines of a part's unit and of what all units have in common."""
    common = (FOLDER / "certline-.service.d" / "part.conf").read_text("utf-8")
    return [
        *common.splitlines(),
        *(FOLDER / f"certline-{part}.service").read_text("utf-8").splitlines(),
    ]


def values(part: str, option: str) -> list[str]:
    """Return the values of an option in a part's unit."""
    return [
        line.partition("=")[2] for line in lines(part) if line.partition("=")[0].strip() == option
    ]


def services() -> dict[str, Any]:
    """Return the services of compose.yaml."""
    return dict(yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"])


def installed(folder: Path) -> dict[str, str]:
    """Copy the units as they are installed, with the program of this environment. Returns the environment."""
    shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
    ours = str(Path(sysconfig.get_path("scripts")) / "certline")
    for unit in folder.glob("*.service"):
        unit.write_text(unit.read_text("utf-8").replace(PROGRAM, ours), "utf-8")
    # The colon at the end adds systemd's own units.
    return os.environ | {"SYSTEMD_UNIT_PATH": f"{folder}:"}


def analyze(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `systemd-analyze` on the installed units."""
    return subprocess.run(
        ["systemd-analyze", *words],
        env=installed(folder),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def faults_of(folder: Path) -> list[str]:
    """Return what systemd says against our units; it speaks of others of this machine too."""
    units = [unit.name for unit in FOLDER.glob("certline*.*") if unit.is_file()]
    done = analyze(folder, "verify", "--man=no", *units)
    return [line for line in done.stderr.splitlines() if "certline" in line]


def test_each_part_of_compose_has_a_unit_that_starts_it_the_same_way() -> None:
    assert {file.stem for file in FOLDER.glob("*.service")} == {
        f"certline-{part}" for part in PARTS
    }
    for part in PARTS:
        command = services()[part]["command"]
        if part in HOSTS:
            assert HOSTS[part][0] in command
            command = command.replace(*HOSTS[part])
        assert values(part, "ExecStart") == [f"{PROGRAM} {command}"]


def test_the_target_starts_every_part_but_the_optional_one() -> None:
    target = (FOLDER / "certline.target").read_text("utf-8")
    (wanted,) = re.findall("^Wants=(.*)$", target, re.MULTILINE)

    assert set(wanted.split()) == {
        f"certline-{part}.service" for part in PARTS if part not in ("init", "hooks")
    }


def test_only_those_that_need_the_secret_key_are_given_it() -> None:
    for part in PARTS:
        has_key = "CERTLINE_SECRET_KEY" in services()[part]["environment"]
        given = [value.partition(":")[0] for value in values(part, "LoadCredential")]
        assert ("secret-key" in given) == has_key, part
        assert ("CERTLINE_SECRET_KEY_FILE=%d/secret-key" in values(part, "Environment")) == has_key


def test_the_board_is_given_its_users_and_nothing_else() -> None:
    assert values("board", "LoadCredential") == ["board-users:/etc/certline/board-users"]
    assert "CERTLINE_BOARD_USERS_FILE=%d/board-users" in values("board", "Environment")
    assert "CERTLINE_BOARD_USERS_FILE" in services()["board"]["environment"]


def test_no_part_works_while_the_tables_change() -> None:
    others = {f"certline-{part}.service" for part in PARTS if part != "init"}

    for option in ("Before", "Conflicts"):
        (units,) = values("init", option)
        assert set(units.split()) == others


def test_no_unit_holds_a_login() -> None:
    for file in FOLDER.rglob("*.*"):
        if file.is_file():
            assert not re.search("PASSWORD|_URL|SECRET_KEY=", file.read_text("utf-8")), file


def test_each_part_has_a_port_of_its_own_for_probes() -> None:
    ports = {
        part: value
        for part in PARTS
        for value in values(part, "Environment")
        if value.startswith("CERTLINE_METRICS_PORT")
    }

    # The board is asked at the port of its pages.
    assert ports.keys() == set(PARTS) - {"init", "board"}
    assert len(set(ports.values())) == len(ports)


def test_no_order_is_cut_off_when_a_part_is_stopped() -> None:
    for part in ("worker", "hooks"):
        assert int(values(part, "TimeoutStopSec")[0]) >= grace(Settings()) + 10
        # Otherwise systemd and certline's own process would each send a signal, and the second one ends at once.
        assert values(part, "KillMode") == ["mixed"]


@needs_systemd
def test_systemd_finds_no_fault(tmp_path: Path) -> None:
    assert faults_of(tmp_path) == []


@needs_systemd
def test_a_misspelt_option_is_found(tmp_path: Path) -> None:
    own = tmp_path / "certline-relay.service.d"
    own.mkdir()
    (own / "own.conf").write_text("[Service]\nProtectHomes=yes\n", "utf-8")

    assert any("ProtectHomes" in line for line in faults_of(tmp_path))


@needs_systemd
@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_shut_in(part: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    units = root / "etc" / "systemd" / "system"
    unit = f"certline-{part}.service"

    done = analyze(units, "security", "--no-pager", "--offline=true", f"--root={root}", unit)

    (exposure,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert float(exposure) <= MOST_EXPOSED
