"""The name servers of a zone, and what one of them says."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset

from certline.workers.dns.lookup.resolution import (
    MOST_ADDRESSES,
    LookupFault,
    Resolution,
    TimeLeft,
    addresses_by_resolver,
    addresses_by_system,
    host_and_port,
)

# Seconds for one question to one address, and the tries at each.
ONE, TRIES = 3.0, 2
# Bytes of a UDP response that no path has to fragment (DNS Flag Day 2020); longer ones come by TCP.
PAYLOAD = 1232
# Servers of a zone that are asked. The root has 13.
MOST_SERVERS = 16

# Labels of a domain's name, with the empty one of the root: `example.org.`
LABELS_OF_A_DOMAIN = 3
# Delegations below a domain that are followed.
MOST_CUTS = 4

ANSWERED = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)


class LameServerError(Exception):
    """A name server does not answer for the zone; the text says how."""


@dataclass(frozen=True)
class NameServer:
    """A name server: its name as people know it, and its addresses, of which any will do."""

    name: str
    addresses: tuple[str, ...]
    port: int


@dataclass(frozen=True)
class Delegation:
    """A zone, with the names of its servers and those of their addresses that are known."""

    zone: dns.name.Name
    servers: dict[str, tuple[str, ...]]


def servers_of(name: str, how: Resolution, deadline: TimeLeft) -> list[NameServer]:
    """Return the authoritative servers of the zone that a name lies in.

    One whose name has no address is among them. A resolver is not asked for the name itself, unless it is that of
    a domain: it would remember that there is no such name, and say so to others after the record was written.
    Raises LookupFault.
    """
    if how.nameservers:
        return [_named(each) for each in how.nameservers]
    resolver = how.resolver()
    place = dns.name.from_text(name)
    start = place.parent() if len(place.labels) > LABELS_OF_A_DOMAIN else place
    zone = _zone_above(resolver, start, deadline)
    found = _with_addresses(resolver, zone, how, deadline)
    for _ in range(MOST_CUTS):
        cut = _referral(found, place, zone, deadline)
        if cut is None:
            break
        zone, found = cut, _with_addresses(resolver, cut, how, deadline)
    return found


def ask(
    server: NameServer, name: str, kind: dns.rdatatype.RdataType, deadline: TimeLeft
) -> dns.message.Message:
    """Ask a server for records, over UDP, or TCP if the answer is long.

    Raises LameServerError if it does not answer in time, or not as an authority.
    """
    said = _said(server, name, kind, deadline, TRIES)
    # Without AA it knows the name from elsewhere, as a resolver does.
    if not said.flags & dns.flags.AA:
        raise LameServerError("it answers without authority: the zone is delegated to it in vain")
    return said


def _said(
    server: NameServer, name: str, kind: dns.rdatatype.RdataType, deadline: TimeLeft, tries: int
) -> dns.message.Message:
    """Return a server's answer, with authority or without. Raises LameServerError."""
    if not server.addresses:
        raise LameServerError("its name has no address, or no resolver finds it")
    question = dns.message.make_query(name, kind, use_edns=0, payload=PAYLOAD)
    question.flags &= ~dns.flags.RD
    trouble = ""
    for address in [each for each in server.addresses for _ in range(tries)]:
        if deadline.is_over:
            break
        within = deadline.left(ONE)
        try:
            said, _ = dns.query.udp_with_fallback(
                question, address, within, server.port, ignore_unexpected=True, ignore_errors=True
            )
        except dns.exception.Timeout:
            trouble = "it does not answer"
        except OSError as error:
            trouble = f"it cannot be reached ({error.strerror or type(error).__name__})"
        except (dns.exception.DNSException, EOFError, ValueError):
            trouble = "its answer cannot be read"
        else:
            if said.rcode() in ANSWERED:
                return said
            code = dns.rcode.to_text(said.rcode())
            raise LameServerError(f"it answers {code}: it does not serve the zone")
    raise LameServerError(trouble or "it does not answer")


def _referral(
    servers: list[NameServer], name: dns.name.Name, above: Delegation, deadline: TimeLeft
) -> Delegation | None:
    """Return the zone below another that the servers delegate the name to, or None if they have the name."""
    for server in servers:
        try:
            said = _said(server, name.to_text(), dns.rdatatype.NS, deadline, 1)
        except LameServerError:
            continue
        if said.flags & dns.flags.AA:
            return None
        for rrset in said.authority:
            is_cut = rrset.rdtype == dns.rdatatype.NS and name.is_subdomain(rrset.name)
            if is_cut and rrset.name != above.zone and rrset.name.is_subdomain(above.zone):
                return _delegation(rrset, said)
    return None


def _named(text: str) -> NameServer:
    host, port = host_and_port(text)
    addresses: Sequence[str] = ()
    with contextlib.suppress(LookupFault):
        addresses = addresses_by_system(host)
    return NameServer(text, tuple(addresses), port)


def _with_addresses(
    resolver: dns.resolver.Resolver, zone: Delegation, how: Resolution, deadline: TimeLeft
) -> list[NameServer]:
    """Return the servers of a zone, with the addresses that are known already, or that the resolver knows."""
    return [
        NameServer(name, known or tuple(addresses_by_resolver(resolver, name, deadline)), how.port)
        for name, known in sorted(zone.servers.items())[:MOST_SERVERS]
    ]


def _zone_above(
    resolver: dns.resolver.Resolver, place: dns.name.Name, deadline: TimeLeft
) -> Delegation:
    """Return the closest zone above a name, or that of the name. Raises LookupFault."""
    name = _text(place)
    look_up = partial(resolver.resolve, rdtype="NS", raise_on_no_answer=False, search=False)
    while True:
        if deadline.is_over:
            raise LookupFault(f"the name servers of {name} were not found in time")
        try:
            found = look_up(place, lifetime=deadline.left(8.0))
        except dns.resolver.NXDOMAIN:
            found = None
        except dns.resolver.NoNameservers:
            raise LookupFault(
                f"no resolver could say which name servers {_text(place)} has (SERVFAIL: its servers are out of "
                "order, or its DNSSEC signatures are)"
            ) from None
        except dns.exception.DNSException as error:
            why = "no resolver answers" if isinstance(error, dns.exception.Timeout) else str(error)
            raise LookupFault(f"the name servers of {_text(place)} are not known: {why}") from None
        # An alias has the servers of its target; they are not those of this name.
        if found is not None and found.rrset is not None and found.canonical_name == place:
            return _delegation(found.rrset, found.response)
        if place == dns.name.root:
            asked = ", ".join(
                each if isinstance(each, str) else each.answer_nameserver()
                for each in resolver.nameservers
            )
            raise LookupFault(
                f"there is no zone that {name} lies in, says the resolver ({asked}); if the Internet does not "
                "know the zone, name its server with --nameserver"
            )
        place = place.parent()


def _delegation(servers: dns.rrset.RRset, said: dns.message.Message) -> Delegation:
    """Return the zone whose NS records a response has, with the addresses beside them."""
    known: dict[str, tuple[str, ...]] = {_text(each.target): () for each in servers}
    for rrset in said.additional:
        name = _text(rrset.name)
        if name in known and rrset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
            known[name] += tuple(str(each) for each in rrset)[:MOST_ADDRESSES]
    return Delegation(servers.name, known)


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()
