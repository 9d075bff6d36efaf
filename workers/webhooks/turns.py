"""Turns of deliveries in one process: a slow receiver has one thread at most, and that one not all the time."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

# Seconds. A receiver that takes longer is slow.
QUICK = 1.0
# A slow receiver rests this many times as long as it has taken, so that others have the thread meanwhile.
REST = 1.0
# Seconds: the longest that a delivery is sent away for, however many wait for a receiver.
LONGEST = 300.0


@dataclass
class _State:
    """What is known of a receiver. Times are monotonic seconds.

    `begun`: when the delivery under way began; `free_at`: until when a slow receiver rests; `waiting`: how many
    deliveries were sent away since its last turn.
    """

    begun: float | None = None
    free_at: float = 0.0
    waiting: int = 0


class ReceiverTurns:
    """The turns of all receivers. Thread-safe."""

    def __init__(self) -> None:
        self._states: dict[str, _State] = {}
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, receiver: str) -> Iterator[float | None]:
        """Take a receiver's turn for the length of the block, waiting QUICK seconds for it at most.

        Yields None, or the seconds after which to try again if the turn isn't to be had: another delivery to this
        receiver has taken longer than QUICK, or the receiver rests.
        """
        wait = self._take(receiver)
        try:
            yield wait
        finally:
            if wait is None:
                self._give_back(receiver)

    def _take(self, receiver: str) -> float | None:
        with self._changed:
            state = self._states.setdefault(receiver, _State())
            while state.begun is not None and (left := state.begun + QUICK - time.monotonic()) > 0:
                self._changed.wait(left)
                # It may have been forgotten meanwhile.
                state = self._states.setdefault(receiver, state)
            now = time.monotonic()
            if state.begun is None and state.free_at <= now:
                state.begun = now
                return None
            state.waiting += 1
            least = state.free_at - now if state.begun is None else (now - state.begun) * REST
            least = max(QUICK, least)
            # Spread out over the turns to come, so that the waiting deliveries don't all come back at once.
            most = max(least, min(LONGEST, least * (1 + state.waiting)))
            return random.uniform(least, most)  # noqa: S311  # no secret

    def _give_back(self, receiver: str) -> None:
        with self._changed:
            state = self._states[receiver]
            now = time.monotonic()
            took = now - (state.begun or now)
            state.begun, state.waiting = None, 0
            state.free_at = now + took * REST if took > QUICK else 0.0
            self._forget(now)
            self._changed.notify_all()

    def _forget(self, now: float) -> None:
        """Forget receivers that are quick, so that the table doesn't grow for ever."""
        for name, state in list(self._states.items()):
            if state.begun is None and state.free_at <= now:
                del self._states[name]
