"""Tests of the health endpoints: where they listen, and what `run all` reports about its parts."""

import socket

import pytest
import requests

from certline.models.settings import Settings
from certline.workers.metrics.exposition import Exposition
from certline.workers.process.health import fault_below, serve_health


def a_free_port(host: str = "127.0.0.1") -> int:
    """Return a port that nothing listens on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port


def serve(fault: str | None, host: str = "127.0.0.1", port: int = 0) -> int:
    """Serve health on a free port, unless one is given. Returns the port."""
    port = port or a_free_port(host)
    settings = Settings(metrics_port=port, metrics_host=host)
    serve_health(settings, lambda: fault, Exposition("worker"), shares_port=True)
    return port


@pytest.mark.parametrize(("host", "url"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_health_is_served_on_the_address_of_the_settings(host: str, url: str) -> None:
    port = serve(None, host)

    assert requests.get(f"http://{url}:{port}/healthz", timeout=5).text == "ok\n"


def test_two_worker_processes_share_a_port_and_both_are_asked() -> None:
    port = serve(None)
    serve("2 worker threads have died", port=port)

    said = {requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5).text for _ in range(100)}

    assert said == {"ok\n", "2 worker threads have died\n"}


def test_all_is_well_only_if_each_part_is() -> None:
    good, bad = serve(None), serve("certline.order is not connected")
    silent = a_free_port()

    assert fault_below("127.0.0.1", [good]) is None
    assert fault_below("0.0.0.0", [good]) is None  # noqa: S104  # compared only
    assert "certline.order is not connected" in str(fault_below("127.0.0.1", [good, bad]))
    assert f"port {silent} does not answer" in str(fault_below("127.0.0.1", [good, silent]))
