"""Decision on an order whose outcome is unknown: pure rules over what SCM shows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

# Checks in a row that find nothing and can't prove SCM's list current (no newer order in it either),
# before the order goes to review.
MOST_LOOKS = 5


class Match(StrEnum):
    """Certainty that a record at SCM is our order."""

    SURE = (
        "sure"  # it has our reference or public key, or it is the only successor of its predecessor
    )
    POSSIBLE = "possible"  # it fits, but nothing proves that it is ours
    NO = "no"


@dataclass(frozen=True)
class Candidate:
    """A record at SCM that may be the order; `why` gives the reason for its `match`."""

    ssl_id: int
    match: Match
    why: str
    source: str  # "list", "report", or both
    facts: dict[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return the candidate as JSON, for the order's row and the audit entry."""
        verdict = {"scm_id": self.ssl_id, "match": self.match.value, "why": self.why}
        return verdict | {"source": self.source} | self.facts


@dataclass(frozen=True)
class Sighting:
    """Result of one check at SCM.

    `witness`: the sslId of a newer order of ours in the same list, which proves that the list is current; or None.
    """

    candidates: Sequence[Candidate] = ()
    witness: int | None = None
    # True if the result is complete without a witness: a record read by its id does not lag like the list.
    is_current: bool = False
    remarks: Sequence[str] = ()

    @property
    def proves_absence(self) -> bool:
        """True if an order that this check did not find does not exist at SCM."""
        return self.is_current or self.witness is not None


class Choice(StrEnum):
    """Decision on the order."""

    ADOPT = "adopt"
    RESEND = "resend"
    LOOK_AGAIN = "look again"
    REVIEW = "review"


@dataclass(frozen=True)
class ReconcileVerdict:
    """The choice, and its reason for the log; `ssl_id` is set only for ADOPT."""

    choice: Choice
    why: str
    ssl_id: int | None = None


def judge(sighting: Sighting, looks: int) -> ReconcileVerdict:
    """Decide after a check; `looks` is the number of consecutive inconclusive checks before this one.

    SCM has no idempotency key, so sending an order that does exist buys a second certificate. Sending it again
    therefore takes two checks and the proof that the list is current (docs/how-it-works.md).
    """
    sure = [found for found in sighting.candidates if found.match is Match.SURE]
    possible = [found for found in sighting.candidates if found.match is Match.POSSIBLE]
    if len(sure) == 1:
        found = sure[0]
        return ReconcileVerdict(
            Choice.ADOPT, f"SCM has it as {found.ssl_id}: {found.why}", found.ssl_id
        )
    if sure:  # perhaps ordered twice: adopting either would leave the other one unmanaged
        ids = ", ".join(str(found.ssl_id) for found in sure)
        return ReconcileVerdict(Choice.REVIEW, f"SCM has it {len(sure)} times: {ids}")
    if possible:
        ids = ", ".join(str(found.ssl_id) for found in possible)
        if looks:
            return ReconcileVerdict(Choice.REVIEW, f"it may be SCM's {ids}, but nothing proves it")
        return ReconcileVerdict(
            Choice.LOOK_AGAIN, f"it may be SCM's {ids}; this is not certain yet"
        )
    if sighting.proves_absence:
        if looks:  # the second check in a row: only now is it safe to send the order again
            why = "SCM does not have it: two checks found nothing, and its list is current"
            return ReconcileVerdict(Choice.RESEND, f"{why}{_seen(sighting)}")
        return ReconcileVerdict(Choice.LOOK_AGAIN, f"SCM shows no such order{_seen(sighting)}")
    if looks + 1 >= MOST_LOOKS:
        why = f"SCM showed no such order in {looks + 1} checks, and no newer one: its list may lag"
        return ReconcileVerdict(Choice.REVIEW, why)
    return ReconcileVerdict(
        Choice.LOOK_AGAIN, "SCM shows no such order, and no newer one to prove its list current"
    )


def _seen(sighting: Sighting) -> str:
    return f" (it shows the newer {sighting.witness})" if sighting.witness else ""
