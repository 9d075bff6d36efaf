"""The CA's look for a proof."""

from dataclasses import dataclass

# Looks that are kept for the control door.
MOST_LOOKS = 10_000


@dataclass(frozen=True, slots=True)
class SimLook:
    """A look for the proof of a domain: when, by the simulated clock, and why it was not seen; None if it was."""

    domain: str
    mode: str
    at: str
    why: str | None
