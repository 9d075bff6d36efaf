"""Where a webhook may post to: the rules about its URL, and about the addresses behind its name."""

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

LONGEST = 2_000
PORTS = {"https": 443, "http": 80}
# RFC 6052: an IPv4 address in the last 32 bits, for a translator (NAT64).
TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


class BadTargetError(ValueError):
    """A URL, or an address behind it, that nothing is posted to; the text says why."""


@dataclass(frozen=True)
class Target:
    """A webhook's URL in parts. `path` has the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def place(self) -> str:
        """Scheme, host and port: the path may be a secret of the receiver's, so no log has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def target_of(url: str, *, allow_private: bool = False) -> Target:
    """A URL in parts. Plain HTTP is for private networks only. Raises BadTargetError."""
    if len(url) > LONGEST or not re.fullmatch(r"[!-~]+", url):
        raise BadTargetError(f"should be ASCII without blanks, at most {LONGEST} characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise BadTargetError("is no URL") from None
    if parts.scheme not in PORTS or not host:
        raise BadTargetError("should begin with https:// and a host")
    if parts.scheme == "http" and not allow_private:
        raise BadTargetError("should begin with https://; http:// needs --allow-private")
    if "@" in parts.netloc:
        raise BadTargetError("should have no user and no password: URLs are shown and kept")
    if parts.fragment or url.endswith("#"):
        raise BadTargetError("should have no #")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port or PORTS[parts.scheme], path)


def addresses_of(target: Target, *, allow_private: bool = False) -> list[str]:
    """The addresses that a host has at this moment; whoever connects has to use these, for a name
    may mean another one a moment later. Raises BadTargetError, OSError for an unknown host.
    """
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    refused = [address for address in addresses if not (allow_private or is_public(address))]
    if refused:
        raise BadTargetError(
            f"{target.host} is {refused[0]}, which is no public address; --allow-private allows it"
        )
    return addresses


def is_public(address: str) -> bool:
    """Whether that is an address of the internet: not loopback, private, link-local, shared,
    reserved or multicast (IANA's special-purpose registries), also where IPv6 wraps it.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.is_site_local or ip.teredo is not None:
            return False
        wrapped = ip.ipv4_mapped or ip.sixtofour
        if ip in TRANSLATED:
            wrapped = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if wrapped is not None:
            return is_public(str(wrapped))
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)
