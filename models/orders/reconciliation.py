"""What is decided of an order whose outcome is unknown: a pure rule over what SCM shows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

# Looks in a row that find nothing, before a person decides: SCM then shows nothing newer either,
# so its list may lag.
MOST_LOOKS = 5


class Match(StrEnum):
    """How surely a record at SCM is ours."""

    SURE = (
        "sure"  # it has our reference, our public key, or is the one successor of its predecessor
    )
    POSSIBLE = "possible"  # nothing speaks against it, and nothing proves it
    NO = "no"


@dataclass(frozen=True)
class Candidate:
    """A record at SCM that could be the order; `why` says what speaks for or against it."""

    ssl_id: int
    match: Match
    why: str
    source: str  # "list", "report", or both
    facts: dict[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """As it is kept with the order and in the log."""
        told = {"scm_id": self.ssl_id, "match": self.match.value, "why": self.why}
        return told | {"source": self.source} | self.facts


@dataclass(frozen=True)
class Sighting:
    """One look at SCM. `witness` is the sslId of a newer order of ours that the same list shows:
    it proves that the list is current; None where there is none.
    """

    candidates: Sequence[Candidate] = ()
    witness: int | None = None
    # Nothing can be missing from it: a record that is read by its id needs no witness.
    is_current: bool = False
    remarks: Sequence[str] = ()

    @property
    def proves_absence(self) -> bool:
        """Whether what it doesn't show isn't there."""
        return self.is_current or self.witness is not None


class Choice(StrEnum):
    """What is done with the order."""

    ADOPT = "adopt"
    RESEND = "resend"
    LOOK_AGAIN = "look again"
    REVIEW = "review"


@dataclass(frozen=True)
class Verdict:
    """The choice, and the sentence that goes into the log; `ssl_id` where one is adopted."""

    choice: Choice
    why: str
    ssl_id: int | None = None


def judge(sighting: Sighting, looks: int) -> Verdict:
    """Decide after a look; `looks` earlier ones in a row have settled nothing.

    SCM knows no idempotency key, so a wrong "it isn't there" is a second order that costs money:
    it takes two looks, and the proof that the list is current (pipeline facts, section 3.1).
    """
    sure = [found for found in sighting.candidates if found.match is Match.SURE]
    possible = [found for found in sighting.candidates if found.match is Match.POSSIBLE]
    if len(sure) == 1:
        found = sure[0]
        return Verdict(Choice.ADOPT, f"SCM has it as {found.ssl_id}: {found.why}", found.ssl_id)
    if sure:
        ids = ", ".join(str(found.ssl_id) for found in sure)
        return Verdict(Choice.REVIEW, f"SCM has it {len(sure)} times: {ids}")
    if possible:
        ids = ", ".join(str(found.ssl_id) for found in possible)
        if looks:
            return Verdict(Choice.REVIEW, f"it may be SCM's {ids}, and nothing proves it")
        return Verdict(Choice.LOOK_AGAIN, f"it may be SCM's {ids}; that is not sure yet")
    if sighting.proves_absence:
        if looks:
            why = "SCM has not got it: two looks found nothing, and its list is current"
            return Verdict(Choice.RESEND, f"{why}{_seen(sighting)}")
        return Verdict(Choice.LOOK_AGAIN, f"SCM shows no such order{_seen(sighting)}")
    if looks + 1 >= MOST_LOOKS:
        why = f"SCM shows no such order in {looks + 1} looks, and nothing newer: its list may lag"
        return Verdict(Choice.REVIEW, why)
    return Verdict(
        Choice.LOOK_AGAIN, "SCM shows no such order, and nothing newer that proves its list current"
    )


def _seen(sighting: Sighting) -> str:
    return f" (it shows the newer {sighting.witness})" if sighting.witness else ""
