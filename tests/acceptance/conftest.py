"""Fixtures of the acceptance tests. Each test is checked for leaks of the secrets it uses."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
import requests

from certline.simulator.server import Simulator
from certline.simulator.state.scm import new_token
from tests.acceptance.secrecy import PASSWORD, Watch, hearing
from tests.nursery import Nursery
from tests.servers import Process


@pytest.fixture(autouse=True)
def watch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """Fail the test if a secret shows in its output, logs, messages or tables."""
    # Requested first, so that this fixture is torn down last, after everything that uses the database has ended.
    wants = "database_url" in request.fixturenames
    url = request.getfixturevalue("database_url") if wants else None
    watch = Watch()
    start, types = Process.__init__, Nursery.type

    def starts(
        process: Process, args: Any, env: Mapping[str, str] | None = None, **options: Any
    ) -> None:
        watch.learn(env or {})
        start(process, args, env, **options)

    def typed(
        nursery: Nursery, words: Sequence[str], environment: Mapping[str, str], **options: Any
    ) -> "subprocess.CompletedProcess[str]":
        watch.learn(environment)
        done = types(nursery, words, environment, **options)
        watch.hear(list(words), done)
        return done

    def a_token() -> str:
        fresh = new_token()
        watch.add(fresh, "a token of SCM's")
        return fresh

    monkeypatch.setattr(Process, "__init__", starts)
    monkeypatch.setattr(Nursery, "type", typed)
    monkeypatch.setattr(subprocess, "run", hearing(watch, subprocess.run))
    monkeypatch.setattr("certline.simulator.http.login.new_token", a_token)
    yield watch
    assert watch.leaks(url) == []


@pytest.fixture(name="simulator")
def simulator_with_a_password(simulator: Simulator) -> Simulator:
    """Return the simulator with a password that occurs nowhere else."""
    requests.post(f"{simulator.door}/settings", json={"password": PASSWORD}, timeout=30)
    return simulator
