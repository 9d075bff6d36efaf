"""Tests of processes that tests start, and of waiting without sleeping."""

import sys
from collections.abc import Iterator

import psutil  # type: ignore[import-untyped]
import pytest

from tests.servers import Process, run, until

# A main process with one child; both would run for a minute.
FAMILY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("child", child.pid, "is born", flush=True)
time.sleep(60)
"""


@pytest.fixture
def family() -> Iterator[Process]:
    with Process([sys.executable, "-c", FAMILY], {"GREETING": "hello"}) as process:
        process.wait_for("is born", 10)
        yield process


def child_of(family: Process) -> psutil.Process:
    return psutil.Process(int(family.output.split()[1]))


def test_killing_a_process_kills_its_children(family: Process) -> None:
    child = child_of(family)

    family.kill()

    assert family.exit_code == -9
    until(lambda: not run.is_alive(child), 5)


def test_a_frozen_process_and_its_children_stand_still_until_thawed(family: Process) -> None:
    child = child_of(family)

    family.freeze()
    until(lambda: child.status() == psutil.STATUS_STOPPED, 5)
    family.thaw()

    until(lambda: child.status() != psutil.STATUS_STOPPED, 5)


def test_a_process_that_is_terminated_answers_its_exit_code(family: Process) -> None:
    assert family.terminate() == -15


def test_a_process_that_ends_without_the_awaited_words_shows_its_last_ones() -> None:
    with (
        Process([sys.executable, "-c", "print('sorry')"]) as process,
        pytest.raises(ChildProcessError, match=r"(?s)without saying 'ready'.*sorry"),
    ):
        process.wait_for("ready", 10)


def test_what_an_abandoned_run_left_behind_is_ended_and_removed(family: Process) -> None:
    left = run.subfolder("left")
    with Process([sys.executable, "-c", FAMILY, f"{left}/data"]) as orphan:
        orphan.wait_for("is born", 10)

        run.remove(left)

        assert orphan.wait(5) == -9
    assert not left.exists()
    assert family.exit_code is None


def test_a_run_that_goes_on_is_not_abandoned() -> None:
    assert not run.is_abandoned(run.folder())


def test_until_gives_back_the_first_true_answer() -> None:
    answers = iter([0, "", "yes"])

    assert until(lambda: next(answers), 5, every=0.001) == "yes"


def test_until_shows_the_last_value_when_it_gives_up() -> None:
    with pytest.raises(TimeoutError, match=r"Not within 0.01 s; the last value was \[\]"):
        until(list, 0.01, every=0.001)
