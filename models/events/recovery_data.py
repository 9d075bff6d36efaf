"""Data of the events about a recovery after a restore."""

from pydantic import AwareDatetime, Field

from certline.models.events.base import EventData
from certline.models.events.data import Counted


class RecoveryStarted(EventData):
    """The database was restored, or another server took over: nothing is ordered until SCM was compared with it.

    What was published after `known_until` may be unknown to certline now. Commands that were sent since then may
    be sent again under their ids: none is carried out twice.
    """

    event_type = "recovery.started"
    reason: str = Field(description="how the restore was noticed, or who began the recovery")
    known_until: AwareDatetime | None = Field(
        description="the last moment that the database surely knows of"
    )
    compares_at: AwareDatetime = Field(
        description="when SCM is compared, once requests have settled"
    )


class RecoveryEnded(EventData):
    """A recovery has ended, and orders go on. Counts are null if it was accepted without comparing SCM."""

    event_type = "recovery.ended"
    accepted: bool = Field(description="a person has ended it without the comparison")
    orders_found: Counted | None = Field(description="orders of ours that only SCM knew")
    renewals: Counted | None = Field(description="of these: renewals")
    reissues: Counted | None = Field(description="of these: reissues")
    keys_lost: Counted | None = Field(
        description="active certificates without their key: they need a reissue"
    )
    to_decide: Counted | None = Field(description="orders in review: a person decides")
