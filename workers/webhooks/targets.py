"""Rules for webhook targets: for the URL, and for the addresses that its host name resolves to."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from certline.workers.webhooks.name_lookup import look_up
from certline.workers.webhooks.special_addresses import is_public

# Characters of a URL at most.
LONGEST = 2_000
PORTS = {"https": 443, "http": 80}
# Seconds that the lookup of a host's addresses may take.
LOOK_UP = 5.0


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


def addresses_of(
    target: Target, *, allow_private: bool = False, within: float = LOOK_UP
) -> list[str]:
    """Resolve the target's host, and return its addresses. `within`: seconds.

    Connect to one of these, not to the name: a second lookup might return another address, which was not
    checked (DNS rebinding). Raises BadTargetError if any address is not public and `allow_private` is not
    set, and OSError if the host is unknown (TimeoutError if its name servers are too slow).
    """
    addresses = look_up(target.host, target.port, within=within)
    refused = [address for address in addresses if not (allow_private or is_public(address))]
    if refused:
        raise BadTargetError(
            f"{target.host} is {refused[0]}, which is not a public address; --allow-private allows it"
        )
    return addresses
