"""Requests about the licence: set its capacity."""

from certline.models import Database
from certline.models.audit.log import record
from certline.models.certificates.license import LicenseUse, license_use, set_capacity
from certline.models.lifecycle.moves import release_held


def set_license(database: Database, capacity: int, *, requested_by: str) -> tuple[LicenseUse, int]:
    """Set the licence's capacity (lines) and release held orders. Returns (licence use, orders released)."""
    with database.transaction() as db:
        before = license_use(db).capacity
        set_capacity(db, capacity)
        record(db, "license.set", "license", who=requested_by, before=before, capacity=capacity)
        released = release_held(db, why=f"capacity set to {capacity}")
        return license_use(db), len(released)
