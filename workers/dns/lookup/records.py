"""What a response says about a name: its records, the aliases on the way, and how long that is remembered."""

from dataclasses import dataclass

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.SOA
import dns.rdtypes.ANY.TXT

CNAME, TXT = dns.rdatatype.CNAME, dns.rdatatype.TXT
# Aliases in one response that are followed.
MOST_LINKS = 8


@dataclass(frozen=True)
class Alias:
    """An alias: `name` is a CNAME for `target`."""

    name: str
    target: str
    ttl: int


@dataclass(frozen=True)
class Said:
    """What a response says of a name.

    `links`: the aliases, in sequence. `texts`: the TXT records at their end, or at the name if there are none.
    `ttl`: seconds for which the records, or that there are none, may be remembered. `missing`: the name, or what
    it leads to, does not exist.
    """

    links: tuple[Alias, ...]
    texts: tuple[str, ...]
    ttl: int | None
    missing: bool


def read(message: dns.message.Message, name: str) -> Said:
    """Return what a response says of a name."""
    links: list[Alias] = []
    place = dns.name.from_text(name)
    seen = {place}
    while len(links) < MOST_LINKS:
        alias = message.get_rrset(message.answer, place, dns.rdataclass.IN, CNAME)
        if alias is None or not alias:
            break
        target = alias[0].target
        links.append(Alias(text_of(place), text_of(target), alias.ttl))
        if target in seen:
            break
        place = target
        seen.add(place)
    records = message.get_rrset(message.answer, place, dns.rdataclass.IN, TXT)
    if records is not None:
        return Said(tuple(links), tuple(_joined(each) for each in records), records.ttl, False)
    missing = message.rcode() == dns.rcode.NXDOMAIN
    ttl = links[-1].ttl if links else _negative_ttl(message)
    return Said(tuple(links), (), ttl, missing)


def text_of(name: dns.name.Name) -> str:
    """Return a name in lower case, without the dot at its end."""
    return name.to_text(omit_final_dot=True).lower()


def _joined(record: dns.rdtypes.ANY.TXT.TXT) -> str:
    return b"".join(record.strings).decode(errors="replace")


def _negative_ttl(message: dns.message.Message) -> int | None:
    """Return for how long it may be remembered that there is nothing (RFC 2308, 5), in seconds."""
    for rrset in message.authority:
        if rrset.rdtype == dns.rdatatype.SOA and rrset:
            soa = rrset[0]
            assert isinstance(soa, dns.rdtypes.ANY.SOA.SOA)  # noqa: S101  # its type says so
            return min(rrset.ttl, soa.minimum)
    return None
