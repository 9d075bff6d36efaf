"""Hosts on one machine: Linux network namespaces, each with its own name and links to networks that can be cut.

A network is a bridge; the machine itself has an address on it, at which servers listen. Cutting a link drops every
packet in both directions and tells nobody: connections stay open, new ones get no answer.
"""

import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from tests.servers import session

PROGRAMS = {"ip": "iproute2", "bridge": "iproute2", "unshare": "util-linux"}
SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
# Names begin with this, contain the run's suffix, and have 15 characters at most.
PREFIX = "cl"
LINK = re.compile(rf"^\d+: ({PREFIX}[bv]([a-z0-9-]{{8}})\d+)[@:]", re.MULTILINE)
NAMESPACE = re.compile(rf"^({PREFIX}n([a-z0-9-]{{8}})\d+)\b", re.MULTILINE)
# 198.18.0.0/15 is for benchmarks (RFC 2544): nobody's network.
SUBNETS = [f"198.{second}.{third}" for second in (18, 19) for third in range(256)]
# States of a bridge's port: it drops everything, or forwards.
CUT, JOINED = "0", "3"


class NoHostsError(RuntimeError):
    """This machine cannot have network namespaces; the text says why."""


@dataclass(frozen=True)
class Network:
    """A bridge with its subnet, as `198.18.7`."""

    bridge: str
    subnet: str

    @property
    def address(self) -> str:
        """The machine's own address on it, at which servers listen."""
        return f"{self.subnet}.1"

    def address_of(self, number: int) -> str:
        """Return the address of a host, by its number."""
        return f"{self.subnet}.{10 + number}"


class Host:
    """A host: its name, and its link to each network."""

    def __init__(self, number: int, networks: Mapping[str, Network]) -> None:
        self.number = number
        self.name = f"host-{number}"
        self.namespace = f"{PREFIX}n{session.suffix()}{number}"
        self._networks = networks

    def address(self, network: str) -> str:
        """Return its address on a network."""
        return self._networks[network].address_of(self.number)

    def words(self) -> list[str]:
        """Return the beginning of a command line that runs the rest of it on this host."""
        naming = 'echo "$0" > /proc/sys/kernel/hostname && exec "$@"'
        inside = [*_program("unshare"), "--uts", "sh", "-c", naming, self.name]
        return [*_program("ip"), "netns", "exec", self.namespace, *inside]

    def cut_off(self, network: str) -> None:
        """Drop all packets between this host and a network."""
        self._set_port(network, CUT)

    def join_again(self, network: str) -> None:
        """Let packets pass again."""
        self._set_port(network, JOINED)

    def make(self, network: str, index: int) -> None:
        """Connect this host to a network."""
        outer, inner = self._port(network), f"net{index}"
        _run(
            "ip",
            "link",
            "add",
            outer,
            "type",
            "veth",
            "peer",
            "name",
            inner,
            "netns",
            self.namespace,
        )
        _run("ip", "link", "set", outer, "master", self._networks[network].bridge, "up")
        inside = ("ip", "-n", self.namespace)
        _run(*inside, "address", "add", f"{self.address(network)}/24", "dev", inner)
        _run(*inside, "link", "set", inner, "up")

    def _set_port(self, network: str, state: str) -> None:
        _run("bridge", "link", "set", "dev", self._port(network), "state", state)

    def _port(self, network: str) -> str:
        index = list(self._networks).index(network)
        return f"{PREFIX}v{session.suffix()}{self.number}{index}"


@contextmanager
def open_hosts(count: int, names: Sequence[str]) -> Iterator[tuple[dict[str, Network], list[Host]]]:
    """Yield networks of these names, and hosts that are connected to all of them; they are removed afterwards.

    The processes on a host have to be ended before. Raises NoHostsError.
    """
    _require_means()
    sweep()
    networks: dict[str, Network] = {}
    with ExitStack() as stack:
        for index, name in enumerate(names):
            network = Network(f"{PREFIX}b{session.suffix()}{index}", _free_subnet())
            _run("ip", "link", "add", network.bridge, "type", "bridge")
            stack.callback(_remove, "link", network.bridge)
            _run("ip", "address", "add", f"{network.address}/24", "dev", network.bridge)
            _run("ip", "link", "set", network.bridge, "up")
            networks[name] = network
        hosts = [Host(number, networks) for number in range(1, count + 1)]
        for host in hosts:
            _run("ip", "netns", "add", host.namespace)
            stack.callback(_remove, "netns", host.namespace)
            _run("ip", "-n", host.namespace, "link", "set", "lo", "up")
            for index, name in enumerate(names):
                host.make(name, index)
        yield networks, hosts


def sweep() -> None:
    """Remove the hosts and networks of runs that were killed."""
    for name, suffix in NAMESPACE.findall(_run("ip", "netns", "list")):
        if not session.exists(suffix) and not _run("ip", "netns", "pids", name).strip():
            _remove("netns", name)
    used = {suffix for _, suffix in NAMESPACE.findall(_run("ip", "netns", "list"))}
    for name, suffix in LINK.findall(_run("ip", "-o", "link")):
        if not session.exists(suffix) and suffix not in used:
            _remove("link", name)


def _remove(kind: str, name: str) -> None:
    with suppress(NoHostsError):  # a link ends with its namespace
        _run("ip", kind, "delete", name)


def _require_means() -> None:
    lacks = sorted({package for name, package in PROGRAMS.items() if not _where(name)})
    if lacks:
        raise NoHostsError(f"needs network namespaces: apt-get install {' '.join(lacks)}")
    if os.geteuid() != 0:
        raise NoHostsError("needs network namespaces, which only root can make: run it as root")


def _free_subnet() -> str:
    taken = _run("ip", "-4", "-o", "address")
    return random.choice([each for each in SUBNETS if f" {each}." not in taken])  # noqa: S311  # no secret


def _where(name: str) -> str | None:
    return shutil.which(name, path=SBIN)


def _program(name: str) -> tuple[str, ...]:
    return (_where(name) or name,)


def _run(name: str, *words: str) -> str:
    """Run a program and return its output. Raises NoHostsError with what it says."""
    done = subprocess.run(
        [*_program(name), *words], capture_output=True, text=True, check=False, timeout=30
    )
    if done.returncode:
        said = done.stderr.strip()
        raise NoHostsError(
            f"needs network namespaces, and this machine refuses `{name} {' '.join(words)}`: {said}"
        )
    return done.stdout
