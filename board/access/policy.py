"""Who may look: everybody on this machine, users with a password, or whom a trusted proxy names."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from certline.board.access.session_store import SessionStore
from certline.board.access.throttle import Throttle
from certline.board.access.users_file import UsersFile

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
# Names of this machine, by which a board without log-in may be called.
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class OpenBoardError(Exception):
    """The board would serve everybody, or trust everybody; the text says what to do."""


@dataclass(frozen=True)
class TrustedProxy:
    """A proxy whose word on a viewer's address is believed. `networks`: where it is; `header`: in which it names
    the user that it has logged in, None if people log in at the board.
    """

    header: str | None
    networks: tuple[Network, ...]

    def is_at(self, address: str) -> bool:
        """Return True if a connection from that address is the proxy's."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = getattr(parsed, "ipv4_mapped", None)
        return any((mapped or parsed) in network for network in self.networks)


@dataclass(frozen=True)
class AccessPolicy:
    """Who may look at a board that listens on `host`; with neither users nor proxy everybody on this machine."""

    host: str
    users: UsersFile | None = None
    proxy: TrustedProxy | None = None
    sessions: SessionStore = field(default_factory=SessionStore)
    throttle: Throttle = field(default_factory=Throttle)

    @property
    def is_open(self) -> bool:
        """True if nobody has to log in."""
        return self.users is None and self.proxy is None

    def is_proxy(self, address: str) -> bool:
        """Return True if a connection from that address is the trusted proxy's."""
        return self.proxy is not None and self.proxy.is_at(address)

    @property
    def names(self) -> frozenset[str]:
        """The names by which an open board may be called: others are of a page that wants to read it."""
        return LOCAL_NAMES | {self.host.lower()}


def access_policy(
    host: str,
    users: UsersFile | None = None,
    trust_header: str | None = None,
    trust_from: Sequence[str] = (),
    sessions: SessionStore | None = None,
) -> AccessPolicy:
    """Return who may look at a board on an address.

    Raises OpenBoardError if that would be everybody on the network, UsersFileError if the file has a fault.
    """
    proxy = _proxy(trust_header, trust_from)
    logs_in = proxy is not None and proxy.header is not None
    if users is not None and not users.users() and not logs_in:
        raise OpenBoardError(
            f"{users.path} has no users, so nobody could log in: certline board user add NAME"
        )
    if users is None and proxy is not None and proxy.header is None:
        raise OpenBoardError(
            "--trust-from without --trust-header: the proxy logs nobody in, so the board needs users of its own. "
            "Set CERTLINE_BOARD_USERS_FILE and add users (certline board user add NAME), or say in which "
            "header the proxy names who is logged in"
        )
    if users is None and proxy is None and not is_loopback(host):
        raise OpenBoardError(
            f"on {host} everybody on the network could read the board, so it does not start there without a "
            "log-in. Do one of these: set CERTLINE_BOARD_USERS_FILE to a file and add users (certline board user "
            "add NAME); put it behind a proxy that logs people in (--trust-header X-Forwarded-User --trust-from "
            "ADDRESS); or leave out --host, to serve this machine only"
        )
    return AccessPolicy(host, users, proxy, sessions or SessionStore())


def is_loopback(host: str) -> bool:
    """Return True if only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _proxy(header: str | None, networks: Sequence[str]) -> TrustedProxy | None:
    if header is None and not networks:
        return None
    if not networks:
        raise OpenBoardError(
            "--trust-header needs --trust-from: from which address the header is believed that names the user"
        )
    if header is not None and HEADER.fullmatch(header) is None:
        raise OpenBoardError(f"--trust-header: {header!r} cannot be the name of a header")
    trusted = []
    for text in networks:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise OpenBoardError(
                f"--trust-from: {text!r} is no address or network, such as 10.0.0.7 or 10.0.0.0/28"
            ) from None
        if network.prefixlen == 0:
            raise OpenBoardError(
                f"--trust-from {text} is every address: anybody could say to be anybody"
            )
        trusted.append(network)
    return TrustedProxy(header, tuple(trusted))
