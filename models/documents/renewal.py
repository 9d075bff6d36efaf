"""Documents of renewals: settings, rules and runs of auto-renewal, its decisions and plans, and batches."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from certline.models.documents.projection import Document, instant, of
from certline.models.states import Decision, DecisionCode

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from certline.models import AutoRenewRule, AutoRenewSetting
    from certline.models.renewals.batch import BatchStatus, Member
    from certline.models.renewals.batch_state import BatchState
    from certline.models.renewals.forecast import Forecast
    from certline.models.renewals.runs import AutoRenewRun, Decided


def setting_document(db: Session, setting: AutoRenewSetting, account: str) -> dict[str, Any]:
    """Return the settings of an account, with its load as it is now."""
    from certline.models.renewals.sequence import load_of

    load = load_of(db, setting)
    return {
        "account": account,
        "enabled": setting.enabled,
        "days": setting.days,
        "cap_per_day": load.cap(setting),
        "cap_is_named": setting.cap_per_day is not None,
        "selected": load.selected,
        # Certificates whose lifetime is too short for the days: renewed when a third of it is left.
        "limited": load.limited,
        "even_load": round(load.even, 2),
        "changed_by": setting.changed_by or None,
        "changed_at": instant(setting.changed_at),
    }


def rule_document(rule: AutoRenewRule, names: dict[int, str]) -> dict[str, Any]:
    """Return a rule as a document; null means any."""
    return {
        "id": rule.id,
        "account": None if rule.account_id is None else names[rule.account_id],
        "organization_id": rule.organization_id,
        "profile_id": rule.profile_id,
        "name": rule.name,
        "created_by": rule.created_by,
        "created_at": instant(rule.created_at),
    }


class RunDocument(Document):
    """A run of auto-renewal with the number of its decisions of each kind."""

    id: str
    requested_by: str
    started_at: datetime
    ended_at: datetime | None
    looked_at: int
    due: int
    renewed: int
    skipped: int
    held: int
    refused: int
    failed: int

    @classmethod
    def counted(cls, run: AutoRenewRun, counts: Counter[Decision]) -> RunDocument:
        """Return the document of a run and its counts."""
        numbers: dict[str, Any] = {decision.value: counts[decision] for decision in Decision}
        return cls.of(run, due=counts.total(), **numbers)


def run_document(run: AutoRenewRun, counts: Counter[Decision]) -> dict[str, Any]:
    """Return a run with its counts."""
    return RunDocument.counted(run, counts).as_dict()


class DecisionDocument(Document):
    """The decision about one certificate, and its outcome."""

    certificate: str = of("row", "certificate_id")
    common_name: str = of("row", "common_name")
    not_after: datetime = of("row", "not_after")
    planned: date | None = of("row", "planned")
    decision: Decision
    reason: str | None
    command: str | None = of("row", "command_id")
    order: str | None = of("order_id")
    order_status: str | None
    new_certificate: str | None = of("new_certificate_id")
    selected_by: str = of("row", "selected_by")
    decided_at: datetime = of("row", "decided_at")
    run_id: str = of("row", "run_id", hidden=True)
    code: DecisionCode = of("row", "code", hidden=True)


def decision_document(each: Decided) -> dict[str, Any]:
    """Return the decision about one certificate, and its outcome."""
    return DecisionDocument.of(each).as_dict()


def forecast_document(each: Forecast) -> dict[str, Any]:
    """Return the forecast of a year."""
    return asdict(each) | {
        "orders_per_day": round(each.orders_per_day, 2),
        "peak": None if each.peak is None else each.peak.isoformat(),
    }


class BatchDocument(Document):
    """A batch and its counts."""

    id: str = of("batch", "id")
    status: BatchStatus = of("batch", "status")
    selection: str = of("batch", "selection")
    per_hour: int | None = of("batch", "per_hour")
    reuse_key: bool = of("batch", "reuse_key")
    requested_by: str = of("batch", "requested_by")
    created_at: datetime = of("batch", "created_at")
    finished_at: datetime | None = of("batch", "finished_at")
    ends_at: datetime | None
    total: int = of("counts", "total")
    waiting: int = of("counts", "waiting")
    running: int = of("counts", "running")
    renewed: int = of("counts", "renewed")
    failed: int = of("counts", "failed")
    review: int = of("counts", "review")
    refused: int = of("counts", "refused")
    cancelled: int = of("counts", "cancelled")


def batch_document(now: BatchState) -> dict[str, Any]:
    """Return a batch and its counts."""
    return BatchDocument.of(now).as_dict()


def member_document(member: Member) -> dict[str, Any]:
    """Return one certificate of a batch."""
    return {
        "certificate_id": member.certificate_id,
        "common_name": member.common_name,
        "status": member.state.value,
        "command_id": member.command_id,
        "order_id": member.order_id,
        "successor_id": member.successor_id,
        "ordered_anew": member.ordered_anew,
        "reason": member.reason,
    }
