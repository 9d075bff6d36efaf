"""Tests of the hosts themselves: names, clocks, and networks that are cut off."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.faults.hosts import namespaces
from tests.faults.hosts.namespaces import Host, NoHostsError, open_hosts
from tests.faults.hosts.shifted_clock import NoCompilerError, shifted_by

pytestmark = pytest.mark.slow

NEAR, FAR = "near", "far"
LOOK = """
import datetime, json, socket, threading, time
begun = time.monotonic()
time.sleep(0.1)
threading.Lock().acquire()
threading.Event().wait(0.1)
print(json.dumps({
    "times": [time.time(), datetime.datetime.now().timestamp(), time.time_ns() / 1e9],
    "monotonic": time.monotonic(), "waited": time.monotonic() - begun, "host": socket.gethostname(),
}))
"""
REACH = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 1).close()
except OSError as error:
    print(type(error).__name__)
else:
    print("reached")
"""


@pytest.fixture
def host() -> Iterator[tuple[Host, dict[str, socket.socket]]]:
    """Yield a host, and a server for it on each of two networks."""
    try:
        with open_hosts(1, (NEAR, FAR)) as (networks, (host,)):
            servers = {
                name: socket.create_server((network.address, 0))
                for name, network in networks.items()
            }
            yield host, servers
            for server in servers.values():
                server.close()
    except NoHostsError as missing:
        pytest.fail(str(missing))


def reach(host: Host, server: socket.socket) -> str:
    """Return what a connection from the host to a server ends with."""
    address, port = server.getsockname()
    words = [*host.words(), sys.executable, "-c", REACH, address, str(port)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("seconds", [300, -300])
def test_the_clock_of_a_process_is_shifted_and_its_waits_are_as_long(seconds: int) -> None:
    words = [sys.executable, "-c", LOOK]
    try:
        shifted = shifted_by(seconds)
    except NoCompilerError as missing:
        pytest.fail(str(missing))
    off, usual = (
        json.loads(subprocess.run(words, env=each, capture_output=True, check=True).stdout)
        for each in (shifted, {})
    )

    for theirs, ours in zip(off["times"], usual["times"], strict=True):
        assert abs(theirs - ours - seconds) < 30
    assert 0 < usual["monotonic"] - off["monotonic"] < 30
    assert 0.2 <= off["waited"] < 10


def test_a_host_has_a_name_of_its_own(host: tuple[Host, dict[str, socket.socket]]) -> None:
    words = [*host[0].words(), sys.executable, "-c", LOOK]

    said = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)

    assert said["host"] == host[0].name != socket.gethostname()


def test_a_host_that_is_cut_off_from_one_network_reaches_the_other(
    host: tuple[Host, dict[str, socket.socket]],
) -> None:
    place, servers = host
    assert reach(place, servers[FAR]) == "reached"

    place.cut_off(FAR)
    assert reach(place, servers[FAR]) == "TimeoutError"
    assert reach(place, servers[NEAR]) == "reached"

    place.join_again(FAR)
    assert reach(place, servers[FAR]) == "reached"


def test_what_a_killed_run_has_left_is_removed_and_a_running_one_is_left_alone(
    host: tuple[Host, dict[str, socket.socket]],
) -> None:
    left = f"{namespaces.PREFIX}n00000000"
    namespaces._run("ip", "netns", "add", f"{left}1")
    try:
        namespaces._run("ip", "link", "add", f"{namespaces.PREFIX}b000000000", "type", "bridge")

        namespaces.sweep()

        there = namespaces._run("ip", "netns", "list") + namespaces._run("ip", "-o", "link")
        assert "00000000" not in there
        assert host[0].namespace in there
    finally:
        with suppress(NoHostsError):
            namespaces._run("ip", "netns", "delete", f"{left}1")
        with suppress(NoHostsError):
            namespaces._run("ip", "link", "delete", f"{namespaces.PREFIX}b000000000")
