"""Dynamic update (RFC 2136) of a name server, signed with TSIG (RFC 8945).

What must be true before a change is part of the change (RFC 2136, 2.4), so the server itself refuses to touch a
record that is not ours, whatever happens between our look and our change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.TXT
import dns.tsig
import dns.update

from certline.workers.dns.lookup.records import CNAME, TXT, read
from certline.workers.dns.lookup.resolution import (
    LookupFault,
    TimeLeft,
    addresses_by_system,
    host_and_port,
)
from certline.workers.dns.proof import Method, Proof
from certline.workers.dns.provider import DnsRefused, DnsTryLater
from certline.workers.dns.tsig_key import tsig_key
from certline.workers.dns.zone import closest, same_name

# Seconds: for one message, and for a change with all its questions.
ONE, WHOLE = 8.0, 25.0
# Seconds that resolvers may remember a proof. It is short, because it is gone soon.
TTL = 60
# Bytes of one string of a TXT record.
STRING = 255

IN = dns.rdataclass.IN
EXISTS = (dns.rcode.YXDOMAIN, dns.rcode.YXRRSET)
# What a server says of a change, and what that means to a person.
MEANINGS = {
    dns.rcode.REFUSED: "it does not let this key change this record; allow it (BIND: update-policy, Knot: acl "
    "with action: update)",
    dns.rcode.NOTAUTH: "it is not the zone's primary, or does not let this key change it; name the primary with "
    "--server, and allow updates by the key there",
    dns.rcode.NOTZONE: "the name does not lie in the zone; check --zones",
    dns.rcode.NOTIMP: "it does not know dynamic update; name the zone's primary with --server",
    dns.rcode.FORMERR: "it does not understand the message; is it a name server that knows dynamic update?",
}
# What dnspython says of an answer without a signature to a signed question.
UNSIGNED = "requires a TSIG"


class UnsignedError(Exception):
    """A server answers a signed message without a signature, which may be anybody's answer."""


@dataclass(frozen=True)
class DynamicUpdate:
    """A provider that changes a zone at its primary server, over TCP."""

    server: str
    zones: tuple[str, ...]
    key: dns.tsig.Key | None = field(repr=False)
    ttl: int = TTL

    @classmethod
    def of(cls, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> DynamicUpdate:
        """Return the provider. Settings: `server` (HOST[:PORT]), `zones`, `ttl`; secrets: a key of TSIG.

        Raises DnsRefused.
        """
        key = tsig_key(dict(secrets)) if secrets else None
        server = str(settings.get("server") or "")
        try:
            host_and_port(server)
        except ValueError as error:
            raise DnsRefused(f"the setting `server`: {error}") from None
        return cls(server, tuple(settings.get("zones", ())), key, int(settings.get("ttl") or TTL))

    def publish(self, proof: Proof) -> None:
        """Add the record, unless it is there. See `Provider`."""
        record = _record(proof)
        with_server = _Exchange(self)
        zone = with_server.zone_of(proof.name)
        name = dns.name.from_text(proof.name)
        change = dns.update.UpdateMessage(zone)
        if proof.method is Method.CNAME:
            change.absent(name)  # an alias may have nothing beside it (RFC 2181, 10.1)
        else:
            change.absent(name, CNAME)
        change.add(name, self.ttl, record)
        code = with_server.change(change)
        if code not in EXISTS:
            with_server.require_done(code, proof, zone)
            return
        there = with_server.what_is_at(proof.name)
        if not any(_same(proof, each) for each in there):
            raise DnsRefused(
                f"{proof.name} has {_listed(there)} already at {self.server}, which is left as it is: "
                f"{proof.method.upper()} {proof.value!r} was not written. Remove what is there if nobody needs it"
            )

    def withdraw(self, proof: Proof) -> None:
        """Remove exactly this record. See `Provider`."""
        record = _record(proof)
        with_server = _Exchange(self)
        zone = with_server.zone_of(proof.name)
        change = dns.update.UpdateMessage(zone)
        change.delete(dns.name.from_text(proof.name), record)
        with_server.require_done(with_server.change(change), proof, zone)


class _Exchange:
    """The messages of one change, within one time limit."""

    def __init__(self, provider: DynamicUpdate) -> None:
        self._of = provider
        host, self._port = host_and_port(provider.server)
        try:
            self._addresses = addresses_by_system(host)
        except LookupFault as fault:
            raise DnsTryLater(str(fault)) from None
        self._deadline = TimeLeft(WHOLE)

    def zone_of(self, name: str) -> dns.name.Name:
        """Return the zone that a name lies in, as the server knows it; else the closest of our own zones.

        Raises DnsRefused, DnsTryLater.
        """
        question = dns.message.make_query(name, dns.rdatatype.SOA)
        question.flags &= ~dns.flags.RD
        try:
            said = self._exchanged(question)
        except UnsignedError:  # as Knot answers for zones that it does not serve
            said = dns.message.make_response(question)
            said.set_rcode(dns.rcode.REFUSED)
        if said.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            place = dns.name.from_text(name)
            for rrset in [*said.answer, *said.authority]:
                if rrset.rdtype == dns.rdatatype.SOA and place.is_subdomain(rrset.name):
                    return rrset.name
        ours = closest(name, self._of.zones)
        if ours is None:
            raise DnsRefused(
                f"{self._of.server} knows no zone that {name} lies in, and it lies in none of the provider's "
                f"({', '.join(self._of.zones) or 'it has none'}); is this the right server?"
            )
        return dns.name.from_text(ours)

    def what_is_at(self, name: str) -> list[tuple[str, str]]:
        """Return the records of a name as (type, value): aliases and texts by value, others by type.

        Raises DnsRefused, DnsTryLater.
        """
        found = []
        for kind in (CNAME, TXT):
            question = dns.message.make_query(name, kind)
            question.flags &= ~dns.flags.RD
            said = read(self._exchanged(question), name)
            if said.links:
                return [("CNAME", said.links[0].target)]
            found += [("TXT", text) for text in said.texts]
        return found or [("a record", "of another type")]

    def change(self, message: dns.update.UpdateMessage) -> dns.rcode.Rcode:
        """Send a change. Returns the server's code. Raises DnsRefused, DnsTryLater."""
        try:
            return self._exchanged(message).rcode()
        except UnsignedError:
            raise DnsRefused(
                f"{self._of.server} refuses the change in an answer without a signature; does it serve this zone, "
                "and know the TSIG key?"
            ) from None

    def require_done(self, code: dns.rcode.Rcode, proof: Proof, zone: dns.name.Name) -> None:
        """Raise DnsRefused or DnsTryLater, unless the code says that the change was made."""
        if code == dns.rcode.NOERROR:
            return
        word = dns.rcode.to_text(code)
        said = f"{self._of.server} answers {word} to the change of {proof.name} in the zone {zone.to_text()}"
        if code == dns.rcode.SERVFAIL:
            raise DnsTryLater(f"{said}: it cannot change the zone at present")
        raise DnsRefused(f"{said}: {MEANINGS.get(code, 'the change was not made')}")

    def _exchanged(self, message: dns.message.Message) -> dns.message.Message:
        """Send a message, signed, over TCP, and return the response.

        Raises UnsignedError, DnsRefused, DnsTryLater.
        """
        server = self._of.server
        if self._of.key is not None:
            message.use_tsig(self._of.key)
        trouble = "does not answer"
        for address in self._addresses:
            if self._deadline.is_over:
                break
            try:
                return dns.query.tcp(message, address, self._deadline.left(ONE), self._port)
            except (dns.tsig.PeerError, dns.tsig.BadSignature, dns.tsig.BadKey) as error:
                raise DnsRefused(f"{server} {_tsig_trouble(error)}") from None
            except dns.exception.Timeout:
                trouble = "did not answer in time"
            except OSError as error:
                trouble = f"cannot be reached ({error.strerror or type(error).__name__})"
            except (dns.exception.DNSException, EOFError, ValueError) as error:
                if UNSIGNED in str(error):
                    raise UnsignedError from None
                trouble = f"gave an answer that cannot be read ({type(error).__name__})"
        raise DnsTryLater(f"the name server {server} {trouble}")


def _record(proof: Proof) -> dns.rdtypes.ANY.TXT.TXT | dns.rdtypes.ANY.CNAME.CNAME:
    if proof.method is Method.CNAME:
        return dns.rdtypes.ANY.CNAME.CNAME(IN, CNAME, dns.name.from_text(proof.value))
    if proof.method is not Method.TXT:
        raise DnsRefused(
            f"{proof.name} is a file on a web server, which dynamic update of a name server cannot put in place; "
            "use a provider of the kind folder or command"
        )
    return dns.rdtypes.ANY.TXT.TXT(IN, TXT, list(_strings(proof.value.encode())))


def _strings(text: bytes) -> Iterator[bytes]:
    for begin in range(0, max(1, len(text)), STRING):
        yield text[begin : begin + STRING]


def _same(proof: Proof, there: tuple[str, str]) -> bool:
    kind, value = there
    if proof.method is Method.CNAME:
        return kind == "CNAME" and same_name(value, proof.value)
    return kind == "TXT" and value == proof.value


def _listed(records: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{kind} {value[:120]!r}" for kind, value in records)


def _tsig_trouble(error: dns.exception.DNSException) -> str:
    if isinstance(error, dns.tsig.PeerBadKey):
        return (
            "does not know this TSIG key, knows it with another algorithm, or does not let it change this zone; "
            "check its name, and the server's rules for updates (BIND: update-policy; Knot: acl, action: update)"
        )
    if isinstance(error, dns.tsig.PeerBadTime):
        return "refuses the signature for its time: the clocks of the two machines differ; set them right"
    if isinstance(error, dns.tsig.PeerBadSignature):
        return "refuses the signature: the secret is not that of the TSIG key of this name; enter the key again"
    return f"answers with a signature that does not fit ({type(error).__name__}); check the TSIG key at both ends"
