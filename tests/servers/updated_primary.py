"""Primaries that take dynamic updates, Knot DNS and BIND, with the records that a test puts there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsigkeyring
import dns.update
import dns.zone

from tests.servers import session
from tests.servers.dns import DnsServer, absolute, plain, written
from tests.servers.name_servers import ALGORITHM, NameServer, ask, bind_command, new_secret
from tests.servers.name_zones import KEYS, RESOLVER, ZONES, Zone

TIMEOUT = 15
# The zones of a primary of BIND, each with the key that may change it.
SERVED = tuple(zone for zone in ZONES if zone.name in ("example.test", "alias.test"))


@dataclass
class UpdatedPrimary:
    """A primary of the zones `SERVED`, which those keys may change. `secrets`: of the keys, by name."""

    kind: str
    address: str
    port: int
    secrets: dict[str, str] = field(repr=False)

    @property
    def server(self) -> str:
        """Its address and port."""
        return f"{self.address}:{self.port}"

    def add(self, name: str, kind: str, *values: str) -> None:
        """Add records."""
        update = self._update(name)
        for value in values:
            update.add(absolute(name), 1, kind, written(kind, value))
        self._send(update)

    def read(self, name: str, kind: str) -> list[str]:
        """Return the records of a name; texts without quotes."""
        query = dns.message.make_query(absolute(name), kind)
        answer, _ = dns.query.udp_with_fallback(query, self.address, TIMEOUT, self.port)
        wanted = dns.rdatatype.from_text(kind)
        groups = [group for group in answer.answer if group.rdtype == wanted]
        return sorted(plain(kind, record.to_text()) for group in groups for record in group)

    def clear(self) -> None:
        """Remove what was added, names with records of the zone's file left aside."""
        for zone in SERVED:
            kept = dns.zone.from_text(zone.text(), zone.name, relativize=False)
            now = dns.zone.from_xfr(
                dns.query.xfr(self.address, zone.name, port=self.port, relativize=False),
                relativize=False,
            )
            update = self._update(zone.name)
            for name in now.nodes:
                for group in now.nodes[name].rdatasets:
                    known = kept.get_rdataset(name, group.rdtype)
                    if known is None:
                        update.delete(name, dns.rdatatype.to_text(group.rdtype))
            self._send(update)

    def _update(self, name: str) -> dns.update.UpdateMessage:
        zone = _zone_of(name)
        ring = dns.tsigkeyring.from_text({zone.key: (ALGORITHM, self.secrets[zone.key])})
        return dns.update.UpdateMessage(zone.name, keyring=ring)

    def _send(self, update: dns.update.UpdateMessage) -> None:
        answer = dns.query.tcp(update, self.address, TIMEOUT, self.port)
        assert answer.rcode() == dns.rcode.NOERROR, dns.rcode.to_text(answer.rcode())


class BindPrimary(NameServer):
    """BIND as the primary of the zones `SERVED`, by `update-policy`."""

    def start(self, secrets: dict[str, str]) -> None:
        """Write its configuration and zones, start it, and wait until it serves all of them."""
        lines = [
            "controls { };",
            f"""options {{
  directory "{self.folder}"; port {self.port}; listen-on {{ {self.address}; }}; listen-on-v6 {{ none; }};
  pid-file none; session-keyfile none; lock-file none; empty-zones-enable no; recursion no;
  dnssec-validation no; notify no; check-names primary ignore;
  allow-query {{ 127.0.0.0/8; }}; allow-transfer {{ 127.0.0.0/8; }};
}};""",
        ]
        lines += [
            f'key "{name}" {{ algorithm {ALGORITHM}; secret "{secret}"; }};'
            for name, secret in secrets.items()
        ]
        for zone in SERVED:
            (self.folder / f"{zone.name}.zone").write_text(zone.text())
            lines.append(
                f'zone "{zone.name}" {{ type primary; file "{zone.name}.zone"; '
                f"update-policy {{ grant {zone.key} zonesub ANY; }}; }};"
            )
        (self.folder / "named.conf").write_text("\n".join([*lines, ""]))
        self._launch(bind_command(self.folder), lambda: all(map(self._serves, SERVED)))

    def _serves(self, zone: Zone) -> bool:
        answer = ask(self, zone.name, "SOA")
        return answer is not None and bool(answer.answer)


def knot_primary(server: DnsServer) -> UpdatedPrimary:
    """Return the primary of the tests' name servers."""
    return UpdatedPrimary("knot", server.host, server.port, server.servers.secrets)


@contextmanager
def bind_primary() -> Iterator[UpdatedPrimary]:
    """Run BIND as a primary. Raises NoNameServerError."""
    # BIND listens on addresses that an interface has, so that it needs a port of its own.
    server = BindPrimary(RESOLVER, session.free_port())
    secrets = {name: new_secret() for name in KEYS}
    try:
        server.start(secrets)
        yield UpdatedPrimary("bind", server.address, server.port, secrets)
    finally:
        server.kill()


def _zone_of(name: str) -> Zone:
    bare = name.rstrip(".").lower()
    return next(zone for zone in SERVED if f".{bare}".endswith(f".{zone.name}"))
