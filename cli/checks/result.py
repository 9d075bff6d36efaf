"""A finding: the result of one check, with advice for a fault."""

from dataclasses import dataclass

from certline.cli.errors import FAILED

# Details that are listed at most; the text has their number.
MOST_DETAILS = 20


@dataclass(frozen=True)
class Finding:
    """The result of one check. `details`: what it is about, one line each; `code`: the exit code if it failed."""

    name: str
    ok: bool
    text: str
    advice: str | None = None
    details: tuple[str, ...] = ()
    code: int = FAILED
