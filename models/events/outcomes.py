"""Data of the events that report how a command or a run ended. Receivers rely on each field."""

from typing import Literal

from pydantic import AwareDatetime, Field

from certline.models.events.base import EventData, EventPart
from certline.models.events.data import AccountName, CertificateId, Counted
from certline.models.states import OrderStatus


class Names(EventPart):
    """Names of what was added, changed and gone: the first of each kind; empty kinds are left out."""

    added: list[str] = Field(default=[])
    changed: list[str] = Field(default=[])
    gone: list[str] = Field(default=[])


class Synced(EventPart):
    """Result of a sync for one kind of object."""

    total: Counted
    added: Counted
    changed: Counted
    gone: Counted
    names: Names


class SyncCompleted(EventData):
    """A sync has read the requested kinds of objects from SCM; kinds that were not requested are left out."""

    event_type = "sync.completed"
    account: AccountName
    organizations: Synced | None = None
    domains: Synced | None = None
    profiles: Synced | None = None
    custom_fields: Synced | None = None


class PollCompleted(EventData):
    """A requested poll has ended: SCM was asked about the order, or all pending orders are being asked about.

    Changes of an order's status are published as its own events.
    """

    event_type = "poll.completed"
    orders: Counted = Field(description="pending orders that the poll was about")
    order_id: str | None = Field(
        default=None, description="certline's id of the order, if one was named"
    )
    account: str | None = Field(
        default=None, description="its account at SCM, by its name in certline"
    )
    scm_id: int | None = Field(default=None, description="SCM's id of the order (sslId)")
    common_name: str | None = None
    status: OrderStatus | None = Field(
        default=None, description="the order's status after the poll"
    )
    scm_status: str | None = Field(default=None, description="SCM's own word for the status")
    certificate_id: str | None = Field(
        default=None, description="certline's id of its certificate, once stored"
    )


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


class RenewalRefusal(EventPart):
    """A certificate that was due for renewal and needs an operator."""

    certificate_id: CertificateId
    common_name: str
    reason: str | None


class AutoRenewCompleted(EventData):
    """A run of auto-renewal has decided about every certificate that was due."""

    event_type = "auto_renew.completed"
    run_id: str
    started_at: AwareDatetime
    ended_at: AwareDatetime
    looked_at: Counted = Field(description="certificates selected for auto-renewal")
    due: Counted
    renewed: Counted = Field(description="a renewal was requested")
    skipped: Counted = Field(description="a renewal is already in progress")
    held: Counted = Field(description="postponed, and renewed automatically later")
    refused: Counted = Field(description="an operator has to act first")
    failed: Counted = Field(description="requested, and failed by the end of the run")
    refusals: list[RenewalRefusal] = Field(description="the first hundred")


class CommandRejected(EventData):
    """A command was not accepted, and nothing was done. Its sender may correct it and send it again."""

    event_type = "command.rejected"
    dead_letter: str = Field(description="id of the stored message (`certline dead-letter show`)")
    message_id: str | None = Field(description="the AMQP property `message_id`, if it was set")
    problems: list[str] = Field(description="what is wrong; each begins with the field's name")


class CommandFailed(EventData):
    """A command was accepted, but could not be carried out.

    `data.command_id` names it: a deploy hook, for instance, is a command of its own below the order's.
    """

    event_type = "command.failed"
    command_id: str
    type: str = Field(description="the command's name, such as `order`")
    error: str
    status: Literal["failed", "review"] = Field(
        default="failed", description="`review`: its outcome is unclear, and an operator decides"
    )
