"""What a provider does, and how it fails."""

from typing import Protocol

from certline.workers.dns.proof import Proof


class DnsError(Exception):
    """A proof could not be put in place, or taken away; the text says what happened.

    `output`: what a program has printed. It may hold secrets, so it is shown to people, but not logged.
    """

    def __init__(self, text: str, output: str = "") -> None:
        super().__init__(text)
        self.output = output


class DnsRefused(DnsError):
    """A person has to act; the text also says what that means, and what to do."""


class DnsTryLater(DnsError):
    """A temporary failure: time-out, SERVFAIL, 5xx."""


class Provider(Protocol):
    """Puts proofs in place, and takes them away. Both may be repeated, and take a limited time."""

    def publish(self, proof: Proof) -> None:
        """Put a proof in place. One that is there already stays, once.

        A record that is not ours is never changed. Raises DnsRefused, which says what is there if it is in the
        way, and DnsTryLater.
        """
        ...

    def withdraw(self, proof: Proof) -> None:
        """Take a proof away: exactly this one. One that is gone is no error. Raises DnsRefused, DnsTryLater."""
        ...
