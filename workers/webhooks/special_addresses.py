"""Addresses that are not of the public Internet: IANA's registries, as a table of our own.

Python's `ipaddress` has such a table too, but each version of Python a different one: 3.11 takes 192.0.0.192
and 3fff::/20 for public.

Sources: "IANA IPv4 Special-Purpose Address Registry" and "IANA IPv6 Special-Purpose Address Registry"
(iana.org/assignments/iana-ipv4-special-registry, …/iana-ipv6-special-registry), as of June 2025, the newest
entry being 100:0:0:1::/64 (RFC 9780); "IPv4 Multicast Address Space Registry"; "IPv6 Address Space" (RFC 4291).
"""

import ipaddress
from typing import TypeAlias

_V4: TypeAlias = ipaddress.IPv4Network

# Everything that the registry calls not globally reachable. Stricter in two places: all of 192.0.0.0/24 is
# refused, although two anycast addresses in it are reachable (of PCP and TURN servers, which are in one's own
# network), and so is what the registry gives no answer about (192.88.99.0/24).
NOT_PUBLIC_V4 = tuple(
    _V4(block)
    for block in (
        "0.0.0.0/8",  # "this network" (RFC 791)
        "10.0.0.0/8",  # private use (RFC 1918)
        "100.64.0.0/10",  # shared address space (RFC 6598); in it Alibaba Cloud's metadata
        "127.0.0.0/8",  # loopback (RFC 1122)
        "169.254.0.0/16",  # link-local (RFC 3927); in it the metadata of most clouds
        "172.16.0.0/12",  # private use (RFC 1918)
        "192.0.0.0/24",  # IETF protocol assignments (RFC 6890); in it Oracle Cloud's metadata
        "192.0.2.0/24",  # documentation (RFC 5737)
        "192.88.99.0/24",  # 6to4 relay anycast, deprecated (RFC 7526), and 6a44 relays (RFC 6751)
        "192.168.0.0/16",  # private use (RFC 1918)
        "198.18.0.0/15",  # benchmarking (RFC 2544)
        "198.51.100.0/24",  # documentation (RFC 5737)
        "203.0.113.0/24",  # documentation (RFC 5737)
        "224.0.0.0/4",  # multicast (RFC 5771)
        "240.0.0.0/4",  # reserved (RFC 1112), and limited broadcast (RFC 8190)
        # In none of IANA's tables: public by its number, but within Azure it is the platform itself
        # (learn.microsoft.com, "What is IP address 168.63.129.16?").
        "168.63.129.16/32",
    )
)

# Of IPv6 only this block is assigned to the public Internet (RFC 4291, 2.4, and IANA's "IPv6 Address Space").
# So loopback, unspecified, link-local, site-local, unique local (fd00:ec2::254 is AWS' metadata), multicast,
# discard-only (100::/64), dummy (100:0:0:1::/64), local NAT64 (64:ff9b:1::/48) and SRv6 (5f00::/16) addresses are
# refused as well.
PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
# Within that block, what the registry calls not globally reachable, or gives no answer about. Stricter in one
# place: all of 2001::/23 is refused, although a few protocols have reachable addresses in it; no web server does.
NOT_PUBLIC_V6 = tuple(
    ipaddress.IPv6Network(block)
    for block in (
        "2001::/23",  # IETF protocol assignments (RFC 2928): Teredo, benchmarking, ORCHID …
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4 (RFC 3056), deprecated (RFC 7526)
        "3fff::/20",  # documentation (RFC 9637)
    )
)
# RFC 6052: the prefix of IPv6 addresses with an IPv4 address in the last 32 bits, for NAT64.
TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Return True if an address is public; an IPv6 address that stands for an IPv4 address is judged by that.

    Raises ValueError for a text that is no address.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])  # without IPv6's zone, as in fe80::1%eth0
    if isinstance(ip, ipaddress.IPv6Address):
        # The system connects to these IPv4 addresses: mapped (::ffff:10.0.0.1), or translated by a gateway.
        meant = ip.ipv4_mapped
        if ip in TRANSLATED:
            meant = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if meant is None:
            return ip in PUBLIC_V6 and not any(ip in block for block in NOT_PUBLIC_V6)
        ip = meant
    return not any(ip in block for block in NOT_PUBLIC_V4)
