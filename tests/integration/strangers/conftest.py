"""Fixtures: a simulator for third-party clients, and a client logged in to it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from cert_manager import Client  # type: ignore[import-untyped, unused-ignore]

from certline.simulator.server import Simulator, running

TIMEOUT = 10

Door = Callable[..., requests.Response]


@pytest.fixture(scope="session")
def scm() -> Iterator[Simulator]:
    """Yield a simulator that issues at once."""
    with running(issue_after_ms=0, dcv_after_ms=0) as started:
        yield started


@pytest.fixture
def door(scm: Simulator) -> Door:
    """Return a function that calls the control API of the simulator, which is reset first."""

    def knock(path: str, body: Any = None) -> requests.Response:
        answer = requests.post(f"{scm.door}{path}", json=body, timeout=TIMEOUT)
        answer.raise_for_status()
        return answer

    knock("/reset")
    return knock


@pytest.fixture
def client(scm: Simulator, door: Door) -> Iterator[Any]:  # noqa: ARG001  # SCM is set back first
    """Yield the client, logged in by its three headers."""
    with requests.Session() as session:
        yield Client(
            base_url=scm.url,
            login_uri="demo",
            username="admin",
            password="secret",
            session=session,
        )
