"""Spelling of states, for which SCM's documents have two forms: `NOT_VALIDATED` and "Not validated"."""

from certline.simulator.settings import SimSettings


def spoken(constant: str | None, settings: SimSettings) -> str | None:
    """Return the state in the spelling selected by the switch `spoken_states`."""
    if constant is None or not settings.spoken_states:
        return constant
    return constant.replace("_", " ").capitalize()
