"""Documents of renewals: settings, rules and runs of auto-renewal, its decisions and plans, and batches."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from certline.models.documents.projection import instant
from certline.models.states import Decision

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from certline.models import AutoRenewRule, AutoRenewSetting
    from certline.models.renewals.batch import Member
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


def run_document(run: AutoRenewRun, counts: Counter[Decision]) -> dict[str, Any]:
    """Return a run with its counts."""
    return {
        "id": run.id,
        "requested_by": run.requested_by,
        "started_at": instant(run.started_at),
        "ended_at": instant(run.ended_at),
        "looked_at": run.looked_at,
        "due": counts.total(),
        **{decision.value: counts[decision] for decision in Decision},
    }


def decision_document(each: Decided) -> dict[str, Any]:
    """Return the decision about one certificate, and its outcome."""
    row = each.row
    return {
        "certificate": row.certificate_id,
        "common_name": row.common_name,
        "not_after": instant(row.not_after),
        "planned": None if row.planned is None else row.planned.isoformat(),
        "decision": each.decision.value,
        "reason": each.reason,
        "command": row.command_id,
        "order": each.order_id,
        "order_status": each.order_status,
        "new_certificate": each.new_certificate_id,
        "selected_by": row.selected_by,
        "decided_at": instant(row.decided_at),
    }


def forecast_document(each: Forecast) -> dict[str, Any]:
    """Return the forecast of a year."""
    return asdict(each) | {
        "orders_per_day": round(each.orders_per_day, 2),
        "peak": None if each.peak is None else each.peak.isoformat(),
    }


def batch_document(now: BatchState) -> dict[str, Any]:
    """Return a batch and its counts."""
    from certline.models.renewals.batch import State

    batch, counts = now.batch, now.counts
    return {
        "id": batch.id,
        "status": batch.status.value,
        "selection": batch.selection,
        "per_hour": batch.per_hour,
        "reuse_key": batch.reuse_key,
        "requested_by": batch.requested_by,
        "created_at": instant(batch.created_at),
        "finished_at": instant(batch.finished_at),
        "ends_at": instant(now.ends_at),
        "total": counts.total,
        **{state.value: getattr(counts, state.value) for state in State},
    }


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
