"""Records of the tests' name servers: added, removed, read at each server and through the resolver."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.node
import dns.opcode
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.tsigkeyring
import dns.update
import dns.zone

from tests.servers.name_servers import ALGORITHM, NameServers
from tests.servers.name_zones import KEY, PRIMARY, RESOLVER, SECONDARY, ZONES, Zone
from tests.servers.process import until

# Seconds. A resolver takes longer if a server is down.
TIMEOUT = 15
# Seconds until a secondary has followed an update.
SECONDS_TO_FOLLOW = 20


class RefusedUpdateError(Exception):
    """The server refused an update; the text is its response code."""


@dataclass
class DnsServer:
    """The name servers of a test, with nothing in their zones but what the test has put there.

    `host` and `port` are those of the primary, which takes dynamic updates signed with the TSIG key; the secondary
    and the resolver listen on the same port. `alias_tsig_name` is the key of the zone `alias.test`.
    """

    servers: NameServers
    host: str = PRIMARY
    secondary: str = SECONDARY
    resolver: str = RESOLVER
    tsig_name: str = KEY
    tsig_algorithm: str = ALGORITHM
    zones: tuple[Zone, ...] = ZONES

    @property
    def port(self) -> int:
        """The port of all of them."""
        return self.servers.port

    @property
    def tsig_secret(self) -> str:
        """The secret of the TSIG key, in base 64."""
        return self.servers.secrets[self.tsig_name]

    def secret_of(self, key: str) -> str:
        """Return the secret of another TSIG key, in base 64."""
        return self.servers.secrets[key]

    def zone_of(self, name: str) -> Zone:
        """Return the zone that a name belongs to."""
        bare = name.rstrip(".").lower()
        found = [z for z in ZONES if bare == z.name or bare.endswith(f".{z.name}")]
        return max(found, key=lambda zone: len(zone.name))

    def add(self, name: str, kind: str, *values: str, ttl: int = 1, key: str = "") -> None:
        """Add records: `add("_proof.example.test", "CNAME", "4ab.sectigo.com.")`. A text may be given bare.

        The secondary has them, too, when this returns, unless its zone follows only when told. `key`: the name of
        another key than the zone's. Raises RefusedUpdateError.
        """
        update = self._update(name, key)
        for value in values:
            update.add(absolute(name), ttl, kind, written(kind, value))
        self._send(update, name)

    def remove(self, name: str, kind: str | None = None, *values: str) -> None:
        """Remove all records of a name, or those of a type, or single ones."""
        update = self._update(name)
        for value in values:
            update.delete(absolute(name), kind, written(str(kind), value))
        if not values:
            update.delete(absolute(name), *([kind] if kind else []))
        self._send(update, name)

    def read(self, name: str, kind: str, at: str | None = None) -> list[str]:
        """Return the records that a server has for a name, by default the zone's primary; texts without quotes."""
        answer = self.ask(name, kind, at or self.zone_of(name).at[0])
        wanted = dns.rdatatype.from_text(kind)
        return sorted(
            plain(kind, record.to_text())
            for group in answer.answer
            if group.rdtype == wanted
            for record in group
        )

    def resolve(self, name: str, kind: str) -> list[str]:
        """Return the records that the resolver finds, following CNAMEs; it remembers what it found."""
        return self.read(name, kind, at=RESOLVER)

    def code(self, name: str, kind: str, at: str = RESOLVER) -> str:
        """Return the response code of a server: `NOERROR`, `NXDOMAIN`, `SERVFAIL`, `REFUSED`."""
        return dns.rcode.to_text(self.ask(name, kind, at).rcode())

    def ask(
        self, name: str, kind: str, at: str, *, timeout: float = TIMEOUT
    ) -> dns.message.Message:
        """Send a query to a server, and return its response. Raises Timeout after `timeout` seconds."""
        query = dns.message.make_query(absolute(name), kind, want_dnssec=True)
        if at != RESOLVER:
            query.flags &= ~dns.flags.RD
        answer, _ = dns.query.udp_with_fallback(query, at, timeout, self.port)
        return answer

    def propagate(self, name: str) -> None:
        """Tell the secondary that a zone has changed, and wait until it has followed."""
        zone = self.zone_of(name)
        if SECONDARY not in zone.at[1:]:
            return
        told = dns.message.make_query(absolute(zone.name), "SOA")
        told.set_opcode(dns.opcode.NOTIFY)
        told.flags = (told.flags & ~dns.flags.RD) | dns.flags.AA
        dns.query.udp(told, SECONDARY, TIMEOUT, self.port, source=PRIMARY)
        self._until_followed(zone)

    def forget(self) -> None:
        """Let the resolver forget all it knows."""
        self.servers.resolver.flush()

    @contextmanager
    def down(self, address: str) -> Iterator[None]:
        """Freeze a server, which then answers nobody."""
        (server,) = (each for each in self.servers.all() if each.address == address)
        assert server.process is not None
        server.process.freeze()
        try:
            yield
        finally:
            server.process.thaw()

    def added_to(self, zone: Zone) -> list[dns.name.Name]:
        """Return the names of a zone that its file doesn't have, as the primary transfers it."""
        fresh = _fresh(zone)
        now = dns.zone.from_xfr(
            dns.query.xfr(zone.at[0], zone.name, port=self.port, relativize=False),
            relativize=False,
        )
        return [name for name, node in now.nodes.items() if name not in fresh and _is_data(node)]

    def clear(self) -> None:
        """Remove everything that isn't in the files of the zones, and let the resolver forget."""
        for zone in ZONES:
            added, update = self.added_to(zone), self._update(zone.name)
            for name in added:
                update.delete(name)
            if added:
                self._send(update, zone.name)
                self.propagate(zone.name)
        self.forget()

    def _update(self, name: str, key: str = "") -> dns.update.UpdateMessage:
        zone = self.zone_of(name)
        key = key or zone.key
        ring = dns.tsigkeyring.from_text({key: (ALGORITHM, self.secret_of(key))})
        return dns.update.UpdateMessage(zone.name, keyring=ring, keyname=dns.name.from_text(key))

    def _send(self, update: dns.update.UpdateMessage, name: str) -> None:
        zone = self.zone_of(name)
        try:
            answer = dns.query.tcp(update, zone.at[0], TIMEOUT, self.port)
        except dns.tsig.PeerError as error:
            raise RefusedUpdateError(f"NOTAUTH: {error}") from None
        if answer.rcode() != dns.rcode.NOERROR:
            raise RefusedUpdateError(dns.rcode.to_text(answer.rcode()))
        if zone.told:
            self.propagate(zone.name)

    def _until_followed(self, zone: Zone) -> None:
        if len(zone.at) > 1:
            until(lambda: len({self._serial(zone, at) for at in zone.at}) == 1, SECONDS_TO_FOLLOW)

    def _serial(self, zone: Zone, at: str) -> str:
        return self.read(zone.name, "SOA", at)[0].split()[2]


@cache
def _fresh(zone: Zone) -> frozenset[dns.name.Name]:
    """Return the names in a zone's file."""
    return frozenset(dns.zone.from_text(zone.text(), zone.name, relativize=False).nodes)


def absolute(name: str) -> dns.name.Name:
    """Return a name as it is sent."""
    return dns.name.from_text(name)


def written(kind: str, value: str) -> str:
    """Return a record's value as in the file of a zone; a text gets its quotes."""
    if kind == "TXT" and not value.startswith('"'):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return value


def plain(kind: str, text: str) -> str:
    """Return a record's value as people write it: a text without quotes, and in one piece."""
    return "".join(text[1:-1].split('" "')) if kind == "TXT" else text


def _is_data(node: dns.node.Node) -> bool:
    """Return True for a name with records that an update made, and not only those of DNSSEC."""
    made = {dns.rdatatype.NSEC, dns.rdatatype.RRSIG}
    return any(group.rdtype not in made for group in node.rdatasets)
