"""Requests about the licence: set its capacity and its end."""

from datetime import UTC, date
from typing import Literal

from certline.models import Database
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.certificates.license import (
    LicenseUse,
    as_day,
    license_use,
    set_capacity,
    set_end,
)
from certline.models.database.session import clock
from certline.models.lifecycle.moves import release_held
from certline.models.validation import BadCommandError


def set_license(
    database: Database,
    capacity: int,
    *,
    until: date | Literal["never"] | None = None,
    requested_by: Identity,
) -> tuple[LicenseUse, int]:
    """Set the licence's capacity (lines) and its last day, and release held orders.

    `until`: None keeps the present end. Returns (licence use, orders released). Raises BadCommandError if the last
    day is over.
    """
    with database.transaction() as db:
        before = license_use(db)
        if isinstance(until, date) and until < clock(db).astimezone(UTC).date():
            raise BadCommandError([f"until: {until} is in the past"])
        set_capacity(db, capacity)
        if until is not None:
            set_end(db, None if until == "never" else until)
        now = license_use(db)
        record(
            db,
            "license.set",
            "license",
            who=requested_by,
            before=before.capacity,
            capacity=capacity,
            valid_until=as_day(now.valid_until),
        )
        released = release_held(db, why=f"capacity set to {capacity}", who=requested_by)
        return license_use(db), len(released)
