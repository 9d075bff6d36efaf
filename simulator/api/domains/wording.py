"""The two spellings of a state in SCM's documents: `NOT_VALIDATED` and "Not validated"."""

from certline.simulator.settings import Settings


def spoken(constant: str | None, settings: Settings) -> str | None:
    """The state as the switch has SCM say it."""
    if constant is None or not settings.spoken_states:
        return constant
    return constant.replace("_", " ").capitalize()
