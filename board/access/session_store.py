"""Sessions of those who have logged in. They are kept in memory: a restart of the board ends all of them."""

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

# Seconds: without a page, and in all.
IDLE, WHOLE = 30 * 60, 12 * 3600
# Sessions at once; the one that was used longest ago ends for a further one.
MOST = 10_000


@dataclass
class BoardSession:
    """Session of a user. `stamp`: of the password that opened it; another password ends it."""

    user: str
    stamp: str
    began: float
    used: float


class SessionStore:
    """Sessions by the hash of their token: whoever reads this memory later has no token. Thread-safe."""

    def __init__(
        self, idle: float = IDLE, whole: float = WHOLE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._idle, self._whole, self._clock = idle, whole, clock
        self._sessions: OrderedDict[str, BoardSession] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, user: str, password_hash: str) -> str:
        """Open a session, and return its token."""
        token, now = secrets.token_urlsafe(32), self._clock()
        with self._lock:
            self._sessions[_hash(token)] = BoardSession(user, _hash(password_hash), now, now)
            while len(self._sessions) > MOST:
                self._sessions.popitem(last=False)
        return token

    def user_of(self, token: str, hashes: Callable[[str], str | None], *, uses: bool) -> str | None:
        """Return the user of a session, None if there is none or it has ended.

        `hashes`: returns the stored hash of a user's password, None for a user that is gone. `uses`: False for
        what a page asks by itself, which does not keep a session open.
        """
        key, now = _hash(token), self._clock()
        with self._lock:
            found = self._sessions.get(key)
            if found is None:
                return None
            stored = hashes(found.user)
            over = now - found.used > self._idle or now - found.began > self._whole
            if over or stored is None or _hash(stored) != found.stamp:
                del self._sessions[key]
                return None
            if uses:
                found.used = now
                self._sessions.move_to_end(key)
            return found.user

    def close(self, token: str) -> None:
        """End a session."""
        with self._lock:
            self._sessions.pop(_hash(token), None)

    def __len__(self) -> int:
        return len(self._sessions)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
