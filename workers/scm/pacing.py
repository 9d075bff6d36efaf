"""Interface for what may delay or refuse a call to SCM: a rate limit, and a breaker while SCM is failing."""

from typing import Protocol

from certline.workers.scm.errors import ScmError


class Pacing(Protocol):
    """Hooks that the client runs before and after each call; shared between threads.

    Each page of a list is a call of its own. Fetching a token is part of the call that needs the token.
    """

    def before(self, operation: str) -> None:
        """Return when the call may begin; may block. Raises TooSoon or LoginRefused to prevent the call."""

    def after(self, operation: str, error: ScmError | None, status: int | None) -> None:
        """Record how the call ended; `status` is that of the response, if one came.

        Must not raise, or SCM's response would be lost.
        """


class Unpaced:
    """Pacing without any limit, for a single call made by a user."""

    def before(self, operation: str) -> None:
        """Return immediately."""

    def after(self, operation: str, error: ScmError | None, status: int | None) -> None:
        """Record nothing."""
