"""Private name servers: a registry, a primary and a secondary (Knot DNS), and a resolver (BIND), on one port.

They listen on different addresses of the loopback network, so that delegations can be followed as on port 53: the
DNS has addresses only. BIND listens on addresses that an interface has, Knot on any; but only BIND asks other
servers at a port of ours.
"""

import errno
import secrets
import shutil
import socket
import subprocess
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

from tests.servers import session
from tests.servers.name_zones import (
    KEYS,
    PRIMARY,
    REGISTRY,
    RESOLVER,
    ROOT_SERVERS,
    SECONDARY,
    TOPS,
    ZONES,
    Zone,
    root,
    top,
)
from tests.servers.process import Process, until
from tests.servers.runtimes import program_path

ALGORITHM = "hmac-sha256"
# Name of the key with which rndc controls the resolver.
CONTROL = "certline-control"
# A public key that has signed nothing.
FORGED_KEY = b64encode(bytes(range(64))).decode()
SECONDS_TO_START = 30


class NoNameServerError(Exception):
    """A name server isn't installed, or did not start; the text says what to do."""


class NameServer:
    """A name server's process on one address, with its files in a folder of its own."""

    def __init__(self, address: str, port: int) -> None:
        self.address = address
        self.port = port
        self.folder = session.subfolder("dns")
        self.process: Process | None = None

    def kill(self) -> None:
        """Kill it; its zones stay in its folder."""
        if self.process:
            self.process.kill()

    def _launch(self, command: list[str | Path], is_up: Callable[[], bool]) -> None:
        process = self.process = Process(command, cwd=self.folder)

        def ready() -> bool:
            if process.exit_code is not None:
                raise NoNameServerError(f"{command[0]} did not start:\n{process.output}")
            return is_up()

        until(ready, SECONDS_TO_START)


class Knot(NameServer):
    """An authoritative server: primary of some zones, secondary of others."""

    def start(self, keys: dict[str, str]) -> None:
        """Write its configuration and zones, start it, and wait until it serves all of them."""
        served = [zone for zone in ZONES if self.address in zone.at]
        (self.folder / "knot.conf").write_text(self._configuration(keys, served))
        for zone in served:
            if zone.at[0] == self.address:
                (self.folder / f"{zone.name}.zone").write_text(zone.text())
        if self.address == REGISTRY:
            (self.folder / "root.zone").write_text(root())
            for name in TOPS:
                (self.folder / f"{name}.zone").write_text(top(name))
        knotd = found("knotd", "knot")
        self._launch(
            [knotd, "-c", self.folder / "knot.conf"],
            lambda: all(map(self._serves, [zone.name for zone in served] or TOPS)),
        )

    def public_key(self, zone: str) -> str:
        """Return the key that a zone is signed with, as in a DNSKEY record."""
        answer = ask(self, zone, "DNSKEY")
        assert answer is not None
        (group,) = (found for found in answer.answer if found.rdtype == dns.rdatatype.DNSKEY)
        return str(next(key for key in group if key.to_text().startswith("257 ")))

    def _serves(self, zone: str) -> bool:
        answer = ask(self, zone, "SOA")
        return answer is not None and answer.rcode() == dns.rcode.NOERROR and bool(answer.answer)

    def _configuration(self, keys: dict[str, str], served: list[Zone]) -> str:
        other = SECONDARY if self.address == PRIMARY else PRIMARY
        lines = [
            "server:",
            f"  rundir: {self.folder}",
            f"  listen: {self.address}@{self.port}",
            "  udp-workers: 1",
            "  tcp-workers: 2",
            "  background-workers: 2",
            "control:",
            f"  listen: {self.folder}/control",
            "database:",
            f"  storage: {self.folder}",
            "  journal-db-max-size: 32M",
            "  kasp-db-max-size: 8M",
            "  timer-db-max-size: 8M",
            "log:",
            "  - target: stdout",
            "    any: info",
            "key:",
        ]
        for name, secret in keys.items():
            lines += [f"  - id: {name}", f"    algorithm: {ALGORITHM}", f"    secret: {secret}"]
        lines += [
            "remote:",
            "  - id: other",
            f"    address: {other}@{self.port}",
            f"    via: {self.address}",
            "acl:",
            "  - id: anybody",
            "    address: 127.0.0.0/8",
            "    action: [transfer, notify]",
        ]
        for name in keys:
            lines += [f"  - id: with-{name}", f"    key: {name}", "    action: update"]
        lines += [
            "policy:",
            "  - id: one-key",
            "    algorithm: ecdsap256sha256",
            "    single-type-signing: on",
            "template:",
            "  - id: default",
            f"    storage: {self.folder}",
            '    file: "%s.zone"',
            "    semantic-checks: off",
            "    zonefile-sync: -1",
            "    zonefile-load: whole",
            "zone:",
        ]
        if self.address == REGISTRY:
            lines += ['  - domain: "."', "    file: root.zone"]
            lines += [f"  - domain: {name}" for name in TOPS]
        for zone in served:
            lines.append(f"  - domain: {zone.name}")
            if zone.at[0] != self.address:
                lines += ["    master: other", "    acl: anybody"]
                continue
            lines.append(f"    acl: [anybody, with-{zone.key}]")
            if zone.told and len(zone.at) > 1:
                lines.append("    notify: other")
            if zone.signed:
                lines += ["    dnssec-signing: on", "    dnssec-policy: one-key"]
        return "\n".join([*lines, ""])


class Resolver(NameServer):
    """A resolver (BIND) that finds every name from the root, checks signatures, and remembers what it found."""

    def start(self, anchors: dict[str, str]) -> None:
        """Write its configuration and start it; `anchors`: zone → public key, as in a DNSKEY record."""
        self.control_port = session.free_port()
        self.secret = new_secret()
        key = f'key "{CONTROL}" {{ algorithm {ALGORITHM}; secret "{self.secret}"; }};\n'
        trusted = " ".join(_anchor(zone, value) for zone, value in anchors.items())
        (self.folder / "named.conf").write_text(
            f"""{key}
controls {{ inet {self.address} port {self.control_port} allow {{ 127.0.0.0/8; }} keys {{ "{CONTROL}"; }}; }};
trust-anchors {{ {trusted} }};
options {{
  directory "{self.folder}"; managed-keys-directory "{self.folder}";
  port {self.port}; listen-on {{ {self.address}; }}; listen-on-v6 {{ none; }};
  pid-file none; session-keyfile none; lock-file none; empty-zones-enable no;
  allow-query {{ 127.0.0.0/8; }}; recursion yes; allow-recursion {{ 127.0.0.0/8; }}; dnssec-validation yes;
  max-cache-size 16m; prefetch 0; servfail-ttl 0; lame-ttl 0; resolver-query-timeout 10000;
}};
zone "." {{ type hint; file "hints.zone"; }};
"""
        )
        (self.folder / "hints.zone").write_text(ROOT_SERVERS)
        (self.folder / "rndc.conf").write_text(
            f'{key}options {{ default-key "{CONTROL}"; default-server {self.address}; '
            f"default-port {self.control_port}; }};\n"
        )
        self._launch(bind_command(self.folder), lambda: bool(ask(self, ".", "NS")))

    def flush(self) -> None:
        """Let it forget all it knows."""
        words = [found("rndc", "bind9"), "-c", str(self.folder / "rndc.conf"), "flush"]
        subprocess.run(words, check=True, capture_output=True, timeout=30)


class NameServers:
    """A registry, a primary, a secondary, and a resolver that finds them from the root, as the Internet's do."""

    def __init__(self) -> None:
        self.port = _free_port()
        self.secrets = {name: new_secret() for name in KEYS}
        self.registry = Knot(REGISTRY, self.port)
        self.primary = Knot(PRIMARY, self.port)
        self.secondary = Knot(SECONDARY, self.port)
        self.resolver = Resolver(RESOLVER, self.port)

    def start(self) -> None:
        """Start them all. Raises NoNameServerError."""
        try:
            self.registry.start(self.secrets)
            self.primary.start(self.secrets)
            self.secondary.start(self.secrets)
            signed = [zone for zone in ZONES if zone.signed]
            forged = f"257 3 13 {FORGED_KEY}"
            self.resolver.start(
                {z.name: forged if z.forged else self.primary.public_key(z.name) for z in signed}
            )
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Kill them all."""
        for server in self.all():
            server.kill()

    def all(self) -> tuple[NameServer, ...]:
        """Return every server."""
        return (self.registry, self.primary, self.secondary, self.resolver)


def bind_command(folder: Path) -> list[str | Path]:
    """Return the command that runs BIND with the `named.conf` of a folder. Raises NoNameServerError."""
    # A copy: AppArmor's profile for the original lets it read its usual folders only.
    program = shutil.copy(found("named", "bind9"), folder / "named")
    return [program, "-4", "-f", "-g", "-n", "1", "-c", folder / "named.conf"]


def ask(server: NameServer, name: str, kind: str) -> dns.message.Message | None:
    """Send a query to a server, and return its response, or None if there is none within a second."""
    query = dns.message.make_query(name, kind)
    try:
        return dns.query.tcp(query, server.address, 1, server.port)
    except (OSError, dns.exception.DNSException):
        return None


def found(program: str, package: str) -> str:
    """Return the path of a program. Raises NoNameServerError if it isn't installed."""
    path = program_path(program)
    if path is None:
        raise NoNameServerError(f"needs {program}: apt-get install -y {package}")
    return path


def new_secret() -> str:
    """Return a new secret of a TSIG key, in base 64."""
    return b64encode(secrets.token_bytes(32)).decode()


def _anchor(zone: str, key: str) -> str:
    flags, protocol, algorithm, public = key.split(maxsplit=3)
    return f'{zone}. static-key {flags} {protocol} {algorithm} "{public}";'


def _free_port() -> int:
    """Return a port that is free, over UDP and TCP, at all addresses. Raises NoNameServerError without them."""
    while True:
        port = session.free_port()
        try:
            for address in (REGISTRY, PRIMARY, SECONDARY, RESOLVER):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    with socket.socket(socket.AF_INET, kind) as probe:
                        probe.bind((address, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                why = f"needs the addresses {PRIMARY} and {SECONDARY}, as Linux has them: {error}"
                raise NoNameServerError(why) from None
            continue
        return port
