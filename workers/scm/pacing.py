"""Who may hold a call back: a limit on our calls, and a stop while SCM is out of order."""

from typing import Protocol

from certline.workers.scm.errors import ScmError


class Pacing(Protocol):
    """Asked before each call, and told how it ended; it is shared between threads.

    One page of a list is one call. What a token costs is part of the call that needs it.
    """

    def before(self, operation: str) -> None:
        """Return when the call may begin; it may take its time. Raises TooSoon or LoginRefused:
        then nothing is sent.
        """

    def after(self, operation: str, error: ScmError | None) -> None:
        """The call has ended. Raises nothing, or SCM's answer would be lost."""


class Unpaced:
    """No limit: for one call that a person makes."""

    def before(self, operation: str) -> None:
        """At once."""

    def after(self, operation: str, error: ScmError | None) -> None:
        """Nothing to note."""
