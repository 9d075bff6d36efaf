"""One deadline over everything that belongs to a delivery."""

import time


class Deadline:
    """A time limit that begins now. `seconds`: its length."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """True once the time is up."""
        return time.monotonic() >= self._end

    def left(self) -> float:
        """Return the seconds left, more than 0. Raises TimeoutError once the time is up."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time is up")
        return left
