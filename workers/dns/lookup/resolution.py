"""How names are looked up: by which resolvers, at which name servers, within which time."""

import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import dns.exception
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver

# Addresses of one host that are tried.
MOST_ADDRESSES = 4


class LookupFault(Exception):
    """Names cannot be looked up now; the text says why, and of which name."""


class TimeLeft:
    """A time limit over several questions that begins now. `seconds`: its length."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self, most: float) -> float:
        """Return the seconds for the next question: `most`, or what is left of the time, at least a moment."""
        return max(0.05, min(most, self._end - time.monotonic()))

    @property
    def is_over(self) -> bool:
        """True once the time is up."""
        return time.monotonic() >= self._end


@dataclass(frozen=True)
class Resolution:
    """How names are looked up.

    `resolvers`: the resolvers that name the servers of a zone and find web servers, each an IP address with an
    optional port; those of the system if there are none. `nameservers`: servers (HOST[:PORT]) that are asked for a
    record in place of those that the zone's NS records name, as where only a hidden primary can be reached.
    `port`: at which the servers of NS records are asked. `within`: seconds for a look as a whole.
    """

    resolvers: tuple[str, ...] = ()
    nameservers: tuple[str, ...] = ()
    port: int = 53
    within: float = 20.0

    def resolver(self) -> dns.resolver.Resolver:
        """Return the resolver. Raises LookupFault if the system has none."""
        try:
            found = dns.resolver.Resolver(configure=not self.resolvers)
        except (dns.resolver.NoResolverConfiguration, OSError):
            raise LookupFault(
                "the system names no resolver (/etc/resolv.conf); give one with --resolver"
            ) from None
        if self.resolvers:
            found.nameservers = [
                dns.nameserver.Do53Nameserver(*host_and_port(each)) for each in self.resolvers
            ]
        return found


def host_and_port(text: str, default: int = 53) -> tuple[str, int]:
    """Return host and port of `HOST[:PORT]`; an IPv6 address with a port is written `[::1]:53`.

    Raises ValueError, whose text says what is wrong.
    """
    host, port = text.strip(), str(default)
    if host.startswith("["):
        host, _, rest = host[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) < 65536:
        raise ValueError(f"{text!r} is no server, such as ns1.example.org or 192.0.2.1:5300")
    return host, int(port)


def is_address(host: str) -> bool:
    """Return True if a text is an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def addresses_by_resolver(
    resolver: dns.resolver.Resolver, host: str, deadline: TimeLeft
) -> Iterator[str]:
    """Yield the addresses of a host, IPv4 first, as the resolver knows them."""
    if is_address(host):
        yield host
        return
    for kind in ("A", "AAAA"):
        try:
            found = resolver.resolve(host, kind, lifetime=deadline.left(8.0), search=False)
        except dns.exception.DNSException:
            continue
        yield from (str(each) for each in islice(found, MOST_ADDRESSES))


def addresses_of_host(host: str, how: Resolution, deadline: TimeLeft) -> list[str]:
    """Return the addresses of a web server, IPv4 first: as the named resolvers know it, or the system does.

    Raises LookupFault if it has none.
    """
    if not how.resolvers:
        return addresses_by_system(host, deadline.left(5.0))
    found = list(addresses_by_resolver(how.resolver(), host, deadline))
    if not found:
        raise LookupFault(f"{host} has no address, says the resolver {', '.join(how.resolvers)}")
    return found


def addresses_by_system(host: str, within: float = 5.0) -> list[str]:
    """Return the addresses of a host as the system knows it (`/etc/hosts`, search lists), IPv4 first.

    Raises LookupFault if it has none, or the system has not answered within so many seconds.
    """
    if is_address(host):
        return [host]
    found: list[str] = []

    def work() -> None:
        try:
            entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            found.extend(dict.fromkeys(str(entry[4][0]) for entry in entries))
        except (OSError, UnicodeError):
            return

    # `getaddrinfo` has no time limit of its own.
    thread = threading.Thread(target=work, name="lookup", daemon=True)
    thread.start()
    thread.join(within)
    if not found:
        raise LookupFault(f"{host} has no address, or the system's resolver does not answer")
    return sorted(found, key=lambda address: ":" in address)[:MOST_ADDRESSES]
