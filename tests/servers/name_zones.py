"""Zones of the tests' name servers: who serves which, who may update it, and how long it is believed."""

from dataclasses import dataclass

# The registry has the root and what is directly below it.
REGISTRY = "127.53.0.3"
PRIMARY = "127.53.0.1"
SECONDARY = "127.53.0.2"
RESOLVER = "127.0.0.1"
# Names of the TSIG keys that sign updates: of all zones but one, and of that one.
KEY, OTHER_KEY = KEYS = ("certline-test", "certline-test-alias")
# Nothing listens here.
NOBODY = "127.53.0.9"

# Seconds for which a resolver remembers that a name doesn't exist, and the same for `patient.test`.
NEGATIVE_TTL = 2
LONG_NEGATIVE_TTL = 3600


@dataclass(frozen=True)
class Zone:
    """A zone. `servers`: those its parent names. `at`: those that serve it, its primary first; others are lame.

    `key`: name of the TSIG key that may update it. `told`: its secondary follows each update at once; otherwise
    only when a test says so. `signed`: with DNSSEC; `forged`: the resolver trusts another key for it than its own.
    """

    name: str
    servers: tuple[str, ...] = (PRIMARY, SECONDARY)
    at: tuple[str, ...] = (PRIMARY, SECONDARY)
    key: str = KEY
    told: bool = True
    signed: bool = False
    forged: bool = False
    negative_ttl: int = NEGATIVE_TTL

    def text(self) -> str:
        """Return the zone as a file, before any update."""
        soa = f"{self.name}. 60 SOA ns1.{self.name}. hostmaster.{self.name}. 1 3600 600 86400"
        lines = [f"{soa} {self.negative_ttl}", *_named(self.name, self.servers)]
        for child in ZONES:
            if child.name.endswith(f".{self.name}"):
                lines += _named(child.name, child.servers)
        return "\n".join([*lines, ""])


ZONES = (
    Zone("example.test"),
    # Delegated, and served by another server than its parent.
    Zone("dept.example.test", servers=(SECONDARY,), at=(SECONDARY,)),
    # For proofs that a CNAME delegates to another zone, with a key of its own.
    Zone("alias.test", key=OTHER_KEY),
    Zone("signed.test", signed=True),
    Zone("forged.test", signed=True, forged=True),
    # The secondary follows when a test says so.
    Zone("late.test", told=False),
    # Half lame: the second server that the parent names doesn't serve it.
    Zone("half.test", at=(PRIMARY,)),
    Zone("lame.test", servers=(SECONDARY,), at=(PRIMARY,)),
    Zone("dead.test", servers=(NOBODY,), at=(PRIMARY,)),
    Zone("patient.test", negative_ttl=LONG_NEGATIVE_TTL),
    Zone("xn--mnchen-3ya.test"),
    # Those of the simulator's customer.
    *(
        Zone(f"{name}.example")
        for name in ("nordhafen", "library", "hospital", "seaice", "lapsed", "unproven", "asleep")
    ),
)

# Those above them, without the root.
TOPS = ("test", "example")
ROOT_SERVERS = f". 60 NS ns1.root.\nns1.root. 60 A {REGISTRY}\n"


def root() -> str:
    """Return the zone of the root, which delegates those of `TOPS`."""
    soa = f". 60 SOA ns1.root. hostmaster.root. 1 3600 600 86400 {NEGATIVE_TTL}"
    return "\n".join(
        [soa, ROOT_SERVERS, *(line for name in TOPS for line in _named(name, (REGISTRY,))), ""]
    )


def top(name: str) -> str:
    """Return the zone of `test` or `example`, which delegates those directly below it."""
    soa = f"{name}. 60 SOA ns1.{name}. hostmaster.{name}. 1 3600 600 86400 {NEGATIVE_TTL}"
    lines = [soa, *_named(name, (REGISTRY,))]
    for zone in ZONES:
        if zone.name.partition(".")[2] == name:
            lines += _named(zone.name, zone.servers)
    return "\n".join([*lines, ""])


def _named(zone: str, servers: tuple[str, ...]) -> list[str]:
    """Return the records that name the servers of a zone, in it and in its parent."""
    lines = []
    for number, address in enumerate(servers, 1):
        lines.append(f"{zone}. 60 NS ns{number}.{zone}.")
        lines.append(f"ns{number}.{zone}. 60 A {address}")
    return lines
