"""The CA's look for a record in the DNS."""

import socket
import time
from dataclasses import dataclass

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver

from certline.simulator.settings import SimSettings

# Seconds for a response of the resolver.
TIMEOUT = 5
MOST_ALIASES = 8


class NotSeenError(Exception):
    """The record isn't seen; the text says what is."""


@dataclass
class DnsLooker:
    """Looks for records by `dcv_resolver`, or by the machine's own.

    `absent` remembers which names and types were absent, as a resolver would: until when, by `time.monotonic`.
    """

    settings: SimSettings
    absent: dict[tuple[str, str], float]

    def why_not(self, mode: str, host: str, point: str) -> str | None:
        """Return why the record isn't seen, or None if it is: a CNAME to `point`, or a TXT with that text."""
        try:
            self._look(mode, dns.name.from_text(host), point)
        except NotSeenError as error:
            return str(error)
        return None

    def _look(self, mode: str, host: dns.name.Name, point: str) -> None:
        name, seen = host, {host}
        found: list[str] = []
        for _ in range(MOST_ALIASES + 1):
            answer = self._ask(name, mode)
            if mode == "TXT":
                texts = _texts(answer, name)
                if point in texts:
                    return
                found += texts
            alias = _alias(answer, name)
            if alias is None:
                break
            if mode == "CNAME":
                if alias == dns.name.from_text(point):
                    return
                found.append(alias.to_text())
            if not self.settings.dcv_follows_cnames:
                break
            if alias in seen:
                raise NotSeenError(f"{host} is a loop of CNAMEs")
            seen.add(alias)
            name = alias
        else:
            raise NotSeenError(f"{host} is a chain of more than {MOST_ALIASES} CNAMEs")
        if not found:
            self._remember(name, mode, answer)
            raise NotSeenError(f"{name} has no {mode} record")
        raise NotSeenError(f"{host} has {', '.join(found)}, not {point}")

    def _ask(self, name: dns.name.Name, kind: str) -> dns.message.Message:
        if self.absent.get((name.to_text().lower(), kind), 0) > time.monotonic():
            raise NotSeenError(f"{name} did not exist a moment ago, as the resolver remembers")
        address, port = self._resolver()
        query = dns.message.make_query(name, kind)
        try:
            answer, _ = dns.query.udp_with_fallback(query, address, TIMEOUT, port)
        except (dns.exception.DNSException, OSError) as error:
            raise NotSeenError(f"{name}: no response from the resolver ({error})") from None
        if answer.rcode() == dns.rcode.NXDOMAIN:
            # An alias may lead to a name that doesn't exist; then the alias itself is no less there.
            if _alias(answer, name) is None:
                self._remember(name, kind, answer)
                raise NotSeenError(f"{name} does not exist (NXDOMAIN)")
        elif answer.rcode() != dns.rcode.NOERROR:
            raise NotSeenError(f"{name}: the resolver says {dns.rcode.to_text(answer.rcode())}")
        return answer

    def _remember(self, name: dns.name.Name, kind: str, answer: dns.message.Message) -> None:
        """Remember that a record is absent, for as long as its zone says (RFC 2308)."""
        for group in answer.authority:
            if group.rdtype == dns.rdatatype.SOA and self.settings.dcv_remembers_absence:
                seconds = min(group.ttl, group[0].minimum)
                self.absent[name.to_text().lower(), kind] = time.monotonic() + seconds

    def _resolver(self) -> tuple[str, int]:
        if not self.settings.dcv_resolver:
            return str(dns.resolver.get_default_resolver().nameservers[0]), 53
        host, _, port = self.settings.dcv_resolver.rpartition(":")
        return socket.gethostbyname(host.strip("[]")), int(port)


def _alias(answer: dns.message.Message, name: dns.name.Name) -> dns.name.Name | None:
    """Return what a name is an alias of, by this response."""
    for group in answer.answer:
        if group.rdtype == dns.rdatatype.CNAME and group.name == name:
            target: dns.name.Name = group[0].target
            return target
    return None


def _texts(answer: dns.message.Message, name: dns.name.Name) -> list[str]:
    """Return the texts of a name; the parts of one record are one text."""
    return [
        b"".join(record.strings).decode("utf-8", "replace")
        for group in answer.answer
        if group.rdtype == dns.rdatatype.TXT and group.name == name
        for record in group
    ]
