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

from certline.workers.dns.lookup.resolution import (
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

ANSWERED = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)


class LameServerError(Exception):
    """A name server does not answer for the zone; the text says how."""


@dataclass(frozen=True)
class NameServer:
    """A name server: its name as people know it, and its addresses, of which any will do."""

    name: str
    addresses: tuple[str, ...]
    port: int


def servers_of(name: str, how: Resolution, deadline: TimeLeft) -> list[NameServer]:
    """Return the authoritative servers of the zone that a name lies in.

    One whose name has no address is among them. Raises LookupFault.
    """
    if how.nameservers:
        return [_named(each) for each in how.nameservers]
    resolver = how.resolver()
    names = _name_servers(resolver, name, deadline)
    return [
        NameServer(each, tuple(addresses_by_resolver(resolver, each, deadline)), how.port)
        for each in sorted(names)[:MOST_SERVERS]
    ]


def ask(
    server: NameServer, name: str, kind: dns.rdatatype.RdataType, deadline: TimeLeft
) -> dns.message.Message:
    """Ask a server for records, over UDP, or TCP if the answer is long.

    Raises LameServerError if it does not answer in time, or not as an authority.
    """
    if not server.addresses:
        raise LameServerError("its name has no address")
    question = dns.message.make_query(name, kind, use_edns=0, payload=PAYLOAD)
    question.flags &= ~dns.flags.RD
    trouble = ""
    for address in [each for each in server.addresses for _ in range(TRIES)]:
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
            return _authoritative(said)
    raise LameServerError(trouble or "it does not answer")


def _authoritative(said: dns.message.Message) -> dns.message.Message:
    code = said.rcode()
    if code not in ANSWERED:
        raise LameServerError(f"it answers {dns.rcode.to_text(code)}: it does not serve the zone")
    # Without AA it knows the name from elsewhere, as a resolver does.
    if not said.flags & dns.flags.AA:
        raise LameServerError("it answers without authority: the zone is delegated to it in vain")
    return said


def _named(text: str) -> NameServer:
    host, port = host_and_port(text)
    addresses: Sequence[str] = ()
    with contextlib.suppress(LookupFault):
        addresses = addresses_by_system(host)
    return NameServer(text, tuple(addresses), port)


def _name_servers(resolver: dns.resolver.Resolver, name: str, deadline: TimeLeft) -> set[str]:
    """Return the names of the servers of the closest zone above a name, or of that name. Raises LookupFault."""
    place = dns.name.from_text(name)
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
            return {_text(each.target) for each in found.rrset}
        if place == dns.name.root:
            raise LookupFault(f"there is no zone that {name} lies in")
        place = place.parent()


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()
