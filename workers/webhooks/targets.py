"""Rules for webhook targets: for the URL, and for the addresses that its host name resolves to."""

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

# Characters of a URL at most.
LONGEST = 2_000
PORTS = {"https": 443, "http": 80}
# RFC 6052: the prefix of IPv6 addresses with an IPv4 address in the last 32 bits, for NAT64.
TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


class BadTargetError(ValueError):
    """A URL, or an address of its host, to which certline does not post; the text says why."""


@dataclass(frozen=True)
class Target:
    """A webhook's URL in parts. `path` includes the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def place(self) -> str:
        """Scheme, host and port, for logs and errors: the path is left out, since it may contain a secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def target_of(url: str, *, allow_private: bool = False) -> Target:
    """Parse a webhook's URL. Plain HTTP needs `allow_private`. Raises BadTargetError if a rule is broken."""
    if len(url) > LONGEST or not re.fullmatch(r"[!-~]+", url):
        raise BadTargetError(f"should be ASCII without blanks, at most {LONGEST} characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise BadTargetError("is not a URL") from None
    if parts.scheme not in PORTS or not host:
        raise BadTargetError("should begin with https:// and a host")
    if parts.scheme == "http" and not allow_private:
        raise BadTargetError("should begin with https://; http:// needs --allow-private")
    if "@" in parts.netloc:
        raise BadTargetError("should have no user name or password: URLs are shown and stored")
    if parts.fragment or url.endswith("#"):
        raise BadTargetError("should have no #")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port or PORTS[parts.scheme], path)


def addresses_of(target: Target, *, allow_private: bool = False) -> list[str]:
    """Resolve the target's host, and return its addresses.

    Connect to one of these, not to the name: a second lookup might return another address, which was not
    checked (DNS rebinding). Raises BadTargetError if any address is not public and `allow_private` is not
    set, and OSError if the host is unknown.
    """
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    refused = [address for address in addresses if not (allow_private or is_public(address))]
    if refused:
        raise BadTargetError(
            f"{target.host} is {refused[0]}, which is not a public address; --allow-private allows it"
        )
    return addresses


def is_public(address: str) -> bool:
    """Return True if an address is public; an IPv6 address that embeds an IPv4 address is judged by that.

    Loopback, private, link-local, shared, reserved and multicast addresses are not (IANA's special-purpose
    address registries).
    """
    ip = ipaddress.ip_address(address.partition("%")[0])  # without IPv6's zone, as in fe80::1%eth0
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.is_site_local or ip.teredo is not None:
            return False
        wrapped = ip.ipv4_mapped or ip.sixtofour
        if ip in TRANSLATED:
            wrapped = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if wrapped is not None:
            return is_public(str(wrapped))
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)
