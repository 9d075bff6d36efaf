"""Data of the events about imports."""

from pydantic import Field

from certline.models.events.base import EventData, EventPart
from certline.models.events.data import AccountName, Counted


class ImportFailure(EventPart):
    """A record at SCM that could not be imported."""

    scm_id: int
    reason: str | None


class ImportNews(EventPart):
    """Counts of changes that were made at SCM and not by certline."""

    new: Counted
    replaced: Counted
    renewed: Counted
    revoked: Counted
    auto_renew: Counted = Field(description="SCM renews these automatically")


class ImportCompleted(EventData):
    """An import has processed every record that SCM listed; with `dry_run` it has only counted them."""

    event_type = "import.completed"
    dry_run: bool = Field(default=False, description="nothing was imported: only a report")
    account: AccountName
    total: Counted | None = Field(description="the number of records at SCM, if SCM reports it")
    listed: Counted
    known: Counted = Field(description="stored before, and unchanged")
    new: Counted = Field(description="not stored, and not requested (`known` or `dry_run` was set)")
    stored: Counted
    held: Counted = Field(description="issued, but no licence is free")
    pending: Counted
    closed: Counted = Field(description="rejected, expired, revoked or replaced at SCM")
    updated: Counted
    left: Counted = Field(description="skipped: perhaps an order that is being placed")
    failed: Counted
    news: ImportNews
    failures: list[ImportFailure] = Field(description="the first hundred")
