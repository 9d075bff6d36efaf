"""Data of the events about the licence."""

from typing import Annotated

from pydantic import Field

from certline.models.events.base import EventData
from certline.models.events.data import Counted
from certline.models.validation import LicenseThreshold

LastDay = Annotated[str, Field(description="the licence's last day (UTC), such as 2027-03-31")]


class LicenseExhausted(EventData):
    """An issued certificate is held, because no licence is free, or the licence has ended.

    Published once, for the first order that is held; the next time after no order was held any more.
    """

    event_type = "license.exhausted"
    capacity: Counted
    used: Counted
    held: Counted = Field(description="orders that wait for a free licence")
    valid_until: LastDay | None = None


class LicenseExpiring(EventData):
    """The licence ends soon, or has ended: published once each at 30, 14, 7, 3, 1 and 0 days before its end.

    After the end new lines are held; renewals, reissues and everything else go on.
    """

    event_type = "license.expiring"
    capacity: Counted
    used: Counted
    held: Counted = Field(description="orders that wait for a free licence")
    valid_until: LastDay
    days: LicenseThreshold = Field(
        description="the threshold, in days before the end; 0: it has ended"
    )
    days_left: int = Field(description="days until its end, today included; 0: it has ended")


class LicenseReleased(EventData):
    """Licences are free again: held orders continue."""

    event_type = "license.released"
    orders: list[str] = Field(description="certline's ids of these orders, the oldest first")
    reason: str = Field(description="what freed the licences")
