"""Real name servers for tests: Knot with TSIG, and servers that are lame, silent or odd."""

import base64
import secrets
import shutil
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.update

from certline.workers.dns.tsig_key import tsig_key
from tests.servers.process import Process, until

INSTALL = "knotd is not installed. On Debian: apt-get install -y knot"
# Loopback addresses of the servers: a zone's servers have one port, and an address each.
FIRST, SECOND, THIRD = "127.0.0.41", "127.0.0.42", "127.0.0.43"


def free_port() -> int:
    """Return a port that is free for UDP and TCP on all loopback addresses."""
    while True:
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagram:
            stream.bind(("0.0.0.0", 0))  # noqa: S104  # of all addresses of this machine
            port = int(stream.getsockname()[1])
            with suppress(OSError):
                datagram.bind(("0.0.0.0", port))  # noqa: S104
                return port


@dataclass(frozen=True)
class TsigSecret:
    """A key that a server knows."""

    name: str = "certline."
    algorithm: str = "hmac-sha256"
    secret: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(32)).decode())

    @property
    def fields(self) -> dict[str, str]:
        """The key as `parse_tsig_key` returns it."""
        return {"name": self.name, "algorithm": self.algorithm, "secret": self.secret}


def zone_text(zone: str, records: str = "", servers: Mapping[str, str] | None = None) -> str:
    """Return a zone file. `servers`: names of the name servers below the zone, with their addresses."""
    known = servers or {"ns1": FIRST}
    lines = [
        f"$ORIGIN {zone}.",
        "$TTL 300",
        f"@ SOA {next(iter(known))} hostmaster 1 3600 600 86400 37",
    ]
    lines += [f"@ NS {name}" for name in known]
    lines += [f"{name} A {address}" for name, address in known.items() if address]
    return "\n".join([*lines, records, ""])


class Knot:
    """A Knot server on one address, primary of some zones that its key may change."""

    def __init__(
        self,
        folder: Path,
        zones: Mapping[str, str],
        *,
        port: int,
        address: str = FIRST,
        key: TsigSecret | None = None,
        signed: bool = False,
        read_only: bool = False,
    ) -> None:
        """`zones`: zone files by name. `signed`: with DNSSEC. `read_only`: the key may not change them."""
        assert shutil.which("knotd"), INSTALL
        self.address, self.port, self.key = address, port, key or TsigSecret()
        folder.mkdir(parents=True, exist_ok=True)
        for zone, content in zones.items():
            (folder / f"{zone}.zone").write_text(content)
        sections = [
            f"server:\n  rundir: {folder}\n  listen: {address}@{port}",
            f"database:\n  storage: {folder}",
            f"key:\n  - id: {self.key.name}\n    algorithm: {self.key.algorithm}\n    secret: {self.key.secret}",
            f"acl:\n  - id: changes\n    key: {self.key.name}\n    action: {'query' if read_only else 'update'}",
            f"template:\n  - id: default\n    storage: {folder}\n    file: %s.zone\n    acl: changes",
            f"    dnssec-signing: {'on' if signed else 'off'}",
            "zone:\n" + "\n".join(f"  - domain: {zone}" for zone in zones),
        ]
        configuration = folder / "knot.conf"
        configuration.write_text("\n".join(sections) + "\n")
        configuration.chmod(0o600)
        self._zones = list(zones)
        self._process = Process(["knotd", "-c", configuration])

    @property
    def place(self) -> str:
        """Address and port."""
        return f"{self.address}:{self.port}"

    def __enter__(self) -> Self:
        try:
            for zone in self._zones:
                until(lambda zone=zone: self._serves(zone), 20)  # type: ignore[misc]
        except TimeoutError:
            self._process.kill()
            raise AssertionError(f"knotd serves no zone: {self._process.output}") from None
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()

    def records(self, name: str, kind: str) -> list[str]:
        """Return the records of a name that the server has."""
        said = dns.query.tcp(dns.message.make_query(name, kind), self.address, 5, self.port)
        return [record.to_text() for rrset in said.answer for record in rrset]

    def add(self, zone: str, name: str, kind: str, value: str, ttl: int = 300) -> None:
        """Add a record, as somebody else might."""
        change = dns.update.UpdateMessage(zone)
        change.add(name, ttl, kind, value)
        self._change(change)

    def remove(self, zone: str, name: str) -> None:
        """Remove all records of a name."""
        change = dns.update.UpdateMessage(zone)
        change.delete(name)
        self._change(change)

    def freeze(self) -> None:
        """Make the server silent."""
        self._process.freeze()

    def thaw(self) -> None:
        """Let the server go on."""
        self._process.thaw()

    def _change(self, change: dns.update.UpdateMessage) -> None:
        change.use_tsig(tsig_key(self.key.fields))
        said = dns.query.tcp(change, self.address, 5, self.port)
        assert said.rcode() == dns.rcode.NOERROR, said

    def _serves(self, zone: str) -> bool:
        with suppress(dns.exception.DNSException, OSError):
            said = dns.query.udp(dns.message.make_query(zone, "SOA"), self.address, 0.2, self.port)
            return bool(said.answer)
        return False


Answering = Callable[[dns.message.Message], dns.message.Message | None]


@contextmanager
def odd_server(answer: Answering, *, port: int, address: str) -> Iterator[None]:
    """Run a name server (UDP) that answers as a function says; None is no answer."""
    with socket.socket(type=socket.SOCK_DGRAM) as door:
        door.bind((address, port))
        stopped = threading.Event()

        def serve() -> None:
            while not stopped.is_set():
                wire, sender = door.recvfrom(4096)
                if stopped.is_set():
                    return
                said = answer(dns.message.from_wire(wire))
                if said is not None:
                    door.sendto(said.to_wire(), sender)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            with socket.socket(type=socket.SOCK_DGRAM) as wake:
                wake.sendto(b"", (address, port))
            thread.join(5)


def refuses(question: dns.message.Message) -> dns.message.Message:
    """Answer as a lame server does: it does not serve the zone."""
    said = dns.message.make_response(question)
    said.set_rcode(dns.rcode.REFUSED)
    return said


def says_nothing(_: dns.message.Message) -> None:
    """Answer nothing."""


def without_authority(question: dns.message.Message) -> dns.message.Message:
    """Answer as a resolver does: without AA."""
    said = dns.message.make_response(question)
    said.flags &= ~dns.flags.AA
    return said
