"""Tests that no process of certline imports from its current directory."""

import subprocess
import sys
from pathlib import Path

import pytest

from certline.simulator.server import Simulator
from tests.plant import Plant
from tests.servers import Process
from tests.support.traps import set_traps, sprung

SCRIPT = str(Path(sys.executable).with_name("certline"))


@pytest.fixture
def traps(tmp_path: Path) -> Path:
    """Return the folder that the test starts its processes in."""
    return set_traps(tmp_path)


@pytest.fixture
def plant(database_url: str, vhost: str) -> Plant:
    """Return a plant whose processes are not started yet."""
    return Plant(database_url, vhost)


def test_a_trap_is_sprung_by_a_search_in_the_current_folder(traps: Path) -> None:
    words = [sys.executable, "-c", "import models"]

    done = subprocess.run(words, cwd=traps, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert sprung(traps) == "models\n"


def test_all_parts_run_in_a_folder_full_of_traps(
    plant: Plant, traps: Path, simulator: Simulator
) -> None:
    with plant, Process([SCRIPT, "run", "all"], plant.environment, cwd=traps) as parts:
        plant.add_account(simulator.url)  # the relay wakes a worker, which synchronises it
        for part in ("relay", "ingress", "producer"):
            parts.wait_for(f"{part}.started")
        assert parts.terminate() == 0

    assert sprung(traps) == ""


@pytest.mark.parametrize("words", [("--version",), ("order", "--help"), ("completion", "bash")])
def test_a_command_is_typed_in_a_folder_full_of_traps(traps: Path, words: tuple[str, ...]) -> None:
    done = subprocess.run(
        [SCRIPT, *words], cwd=traps, capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 0, done.stderr
    assert sprung(traps) == ""
