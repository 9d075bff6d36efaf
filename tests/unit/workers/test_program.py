"""Tests of an operator's program: its input, its exit, and how much of its output is kept."""

import os
import signal
import sys
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from certline.workers.programs import program
from certline.workers.programs.program import KEPT, Ran, run_program
from tests.servers import until

# Seconds; no program of these tests takes so long unless it hangs.
LONG = 60.0


def run(tmp_path: Path, script: str, *, timeout: float = LONG, **facts: str) -> Ran:
    return run_program(["sh", "-c", script], facts, folder=tmp_path, timeout=timeout)


def test_it_runs_in_its_folder_with_the_facts_and_none_of_our_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CERTLINE_SECRET_KEY", "of ours")
    monkeypatch.setenv("HTTPS_PROXY", "http://ida:of-ours@proxy")
    monkeypatch.setenv("LANG", "C.UTF-8")

    ran = run(tmp_path, "pwd; env", CERTLINE_COMMON_NAME="www.nordhafen.example")

    assert ran.exit_code == 0
    lines = ran.output.splitlines()
    assert lines[0] == str(tmp_path.resolve())
    assert {"CERTLINE_COMMON_NAME=www.nordhafen.example", "LANG=C.UTF-8"} <= set(lines)
    assert "of ours" not in ran.output
    assert "of-ours" not in ran.output


def test_its_words_are_no_shells(tmp_path: Path) -> None:
    ran = run_program(["echo", "$HOME; exit 7"], {}, folder=tmp_path, timeout=LONG)

    assert (ran.exit_code, ran.output) == (0, "$HOME; exit 7\n")


def test_the_end_of_what_it_says_is_kept_and_not_shown_by_accident(tmp_path: Path) -> None:
    ran = run(tmp_path, "seq 100000; printf 'a\\0b\\377' >&2; echo the cause; exit 3")

    assert ran.exit_code == 3
    assert ran.output.endswith("99999\n100000\na\ufffdb\ufffdthe cause\n")
    assert len(ran.output) <= KEPT
    assert "the cause" not in repr(ran)


def test_a_signal_is_a_negative_exit_code(tmp_path: Path) -> None:
    assert run(tmp_path, "kill -9 $$").exit_code == -9


@pytest.mark.parametrize("while_it", ["sleep 600", "while :; do echo still here; done"])
def test_when_its_time_is_up_it_ends_with_all_that_it_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, while_it: str
) -> None:
    child = tmp_path / "child"
    monkeypatch.setattr(program, "TO_CLEAN_UP", 0.1)
    # The time limit begins at the first reading of the clock, and is over once the program has written
    # its child's process id.
    looks = count()
    clock = SimpleNamespace(monotonic=lambda: 1000.0 if next(looks) and child.exists() else 0.0)
    monkeypatch.setattr(program, "time", clock)

    ran = run(tmp_path, f"trap '' TERM; sleep 600 & echo $! > c; mv c child; {while_it}")

    assert ran.exit_code is None
    pid = int(child.read_text())
    until(lambda: not is_alive(pid), 30)


def is_alive(pid: int) -> bool:
    """Check whether a process is running; a zombie is not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_what_it_leaves_behind_is_not_waited_for(tmp_path: Path) -> None:
    script = (
        "import os, subprocess; p = subprocess.Popen(['sleep', '600']); print(p.pid, flush=True)"
    )

    ran = run_program([sys.executable, "-c", script], {}, folder=tmp_path, timeout=LONG)

    assert ran.exit_code == 0
    child = int(ran.output)
    assert is_alive(child)
    os.kill(child, signal.SIGKILL)


def test_what_says_no_more_is_still_waited_for(tmp_path: Path) -> None:
    ran = run(tmp_path, "exec >&- 2>&-; sleep 0.3; exit 4")

    assert ran.exit_code == 4


def test_what_is_no_program_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        run_program(["/no-such-program"], {}, folder=tmp_path, timeout=LONG)
