"""Slows down those who guess passwords, by user, by address and by both, with bounded memory."""

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

# Failed log-ins that cost no time, of one user from one address, of one address, and of one user from everywhere:
# so somebody who guesses keeps the user out for a minute at most.
FREE = {"pair": 5, "address": 20, "user": 50}
# Seconds: the first pause, which doubles with each failure, and the longest.
FIRST, LONGEST = 2.0, {"pair": 900.0, "address": 900.0, "user": 60.0}
# Seconds after the last failure until it is forgotten, and keys that are remembered.
MEMORY, MOST = 3_600.0, 20_000

Key = tuple[str, str]


@dataclass
class FailedTries:
    """Failed log-ins under a key, and until when (monotonic seconds) the next one is refused."""

    count: int
    last: float
    until: float


class Throttle:
    """Remembers failed log-ins. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: OrderedDict[Key, FailedTries] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, user: str, address: str) -> float:
        """Return for how many seconds a log-in is refused; 0 if it may be tried."""
        now = self._clock()
        with self._lock:
            found = [self._failed[key] for key in _keys(user, address) if key in self._failed]
            return max([0.0, *(tries.until - now for tries in found)])

    def failed(self, user: str, address: str) -> None:
        """Count a failed log-in."""
        now = self._clock()
        with self._lock:
            for key in _keys(user, address):
                tries = self._failed.pop(key, FailedTries(0, now, 0.0))
                if now - tries.last > MEMORY:
                    tries = FailedTries(0, now, 0.0)
                count = tries.count + 1
                over = count - FREE[key[0]]
                pause = min(FIRST * 2.0 ** min(over, 30), LONGEST[key[0]]) if over >= 0 else 0.0
                self._failed[key] = FailedTries(count, now, now + pause)
            while len(self._failed) > MOST:
                self._failed.popitem(last=False)

    def succeeded(self, user: str, address: str) -> None:
        """Forget the failures of a user from an address, who has logged in; those of others stay.

        The log-in itself was counted as a failure before it was checked.
        """
        pair, *others = _keys(user, address)
        with self._lock:
            self._failed.pop(pair, None)
            for key in others:
                tries = self._failed.get(key)
                if tries is not None:
                    self._failed[key] = FailedTries(tries.count - 1, tries.last, 0.0)

    def __len__(self) -> int:
        return len(self._failed)


def _keys(user: str, address: str) -> Iterable[Key]:
    network, name = network_of(address), user[:64]
    return (("pair", f"{name}@{network}"), ("address", network), ("user", name))


def network_of(address: str) -> str:
    """Return the address; of IPv6 the network of 64 bits, in which one machine may have any address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
