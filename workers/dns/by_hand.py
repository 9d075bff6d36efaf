"""Proofs that a person puts in place: nothing is published, and what is awaited is looked up."""

from collections.abc import Mapping
from typing import Any

from certline.workers.dns.proof import Proof


class ByHand:
    """A provider that publishes nothing."""

    @classmethod
    def of(cls, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> "ByHand":  # noqa: ARG003
        """Return the provider; it has no settings."""
        return cls()

    def publish(self, proof: Proof) -> None:
        """Leave it to a person, who is told the proof elsewhere."""

    def withdraw(self, proof: Proof) -> None:
        """Leave it to a person: a proof that is no longer needed does no harm."""
