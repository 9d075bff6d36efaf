"""Auto-renewal runs: emit a renew command for each certificate that is due, or record why it is not renewed.

A run is a row, inserted in the transaction that fires the schedule. Any producer continues it, a piece at a
time: the decisions, renew commands and audit entries of a piece are one transaction under the run's row lock.
So a producer that dies has decided a piece completely or not at all, another producer continues the run, and no
certificate is renewed twice. The commands are the same as those of `certificate renew`: a worker checks them,
makes the key and places the order (workers/ordering/succession.py), and a line has at most one open
successor at a time.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid5

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models import CommandType, Database
from certline.models.accounts.account import Account
from certline.models.audit.identity import AUTO_RENEW, SCHEDULE, Identity
from certline.models.audit.log import AuditEntry, entry, record
from certline.models.commands.bulk import accept_many
from certline.models.commands.payloads import RenewCommand
from certline.models.database.base import new_id
from certline.models.database.bulk import add_rows
from certline.models.database.session import clock
from certline.models.events.data import AutoRenewCompleted, RenewalRefusal
from certline.models.events.outbox import emit_event
from certline.models.renewals.plan import (
    Going,
    RenewalOutlook,
    Selected,
    lines_of,
    note_plan,
    outlook,
    selected_of,
    successions,
)
from certline.models.renewals.runs import (
    AutoRenewDecision,
    AutoRenewRun,
    begin_run,
    counts_of,
    decisions_of,
    take_open_run,
)
from certline.models.renewals.selection import AutoRenewSetting, auto_renew_settings
from certline.models.states import Decision
from certline.producers.renewals.eligibility import (
    Eligibility,
    facts_about,
    key_remarks,
    objections,
)

log = structlog.get_logger()

# Certificates decided in one transaction, which takes a few seconds: most of that time is spent loading
# and planning all selected certificates, which every piece does again.
PIECE = 1_000
# Seconds per tick for auto-renewal; the same thread has to fire the sweep every minute.
PATIENCE = 10.0
# Refusals listed in the event; the audit of the run has all of them.
NAMED = 100


@dataclass(frozen=True)
class Due:
    """A certificate that is due, its planned day, and the objection to renewing it, if there is one.

    `remark`: what is worth knowing about its renewal.
    """

    selected: Selected
    planned: date | None
    verdict: Eligibility | None
    remark: str | None = None

    @property
    def decision(self) -> Decision:
        """The decision that is recorded for the certificate."""
        return Decision.RENEWED if self.verdict is None else self.verdict.decision

    @property
    def reason(self) -> str | None:
        """Why the certificate is not renewed, or a remark on its renewal."""
        return self.remark if self.verdict is None else self.verdict.reason


def start_run(db: Session, *, requested_by: Identity = SCHEDULE) -> dict[str, int]:
    """Start a run unless one is open, for a producer to continue. Returns counts for the schedule's log."""
    begin_run(db, requested_by=requested_by)
    return {"runs": 1}


def go_on_for(database: Database, seconds: float = PATIENCE) -> None:
    """Continue the open run piece by piece for about `seconds` (the last piece may take longer)."""
    until = time.monotonic() + seconds
    while go_on(database) and time.monotonic() < until:
        pass


def go_on(database: Database) -> bool:
    """Decide one piece of the open run, and end the run if that was the last piece.

    Returns True if there is more to decide; False if the run has ended, none is open, or another producer holds
    its lock.
    """
    with database.transaction() as db:
        run = take_open_run(db)
        if run is None:
            return False
        done = set(
            db.scalars(
                select(AutoRenewDecision.certificate_id).where(AutoRenewDecision.run_id == run.id)
            )
        )
        due: list[Due] = []
        looked_at = 0
        for setting in auto_renew_settings(db, enabled=True):
            count, found = _due(db, setting, done)
            looked_at += count
            due += found
        # Each piece counts all selected certificates again; some may have been deselected meanwhile.
        run.looked_at = max(run.looked_at, looked_at)
        decide(db, run, due[:PIECE])
        if len(due) > PIECE:
            return True
        finish_run(db, run)
        return False


def decide(db: Session, run: AutoRenewRun, due: Sequence[Due]) -> None:
    """Record the decision about each certificate, and emit the renew commands of those to be renewed."""
    now = clock(db)
    # Derived from run and certificate, so deciding a certificate twice in one run can't emit two commands.
    commands = {
        each.selected.id: str(uuid5(UUID(run.id), each.selected.id))
        for each in due
        if each.verdict is None
    }
    accept_many(
        db,
        CommandType.RENEW,
        {
            command_id: (
                own_id,
                RenewCommand(certificate=own_id).model_dump(mode="json", exclude_defaults=True),
            )
            for own_id, command_id in commands.items()
        },
        requested_by=AUTO_RENEW,
        source="producer",
    )
    add_rows(db, AutoRenewDecision, [_row(run, each, commands, now) for each in due])
    add_rows(db, AuditEntry, [_logged(run, each, commands) for each in due])


def finish_run(db: Session, run: AutoRenewRun) -> None:
    """End a run: set its end, write its audit entry and publish `auto_renew.completed`."""
    run.ended_at = clock(db)
    counts = counts_of(db, [run.id])[run.id]
    totals: dict[str, Any] = {
        "looked_at": run.looked_at,
        "due": counts.total(),
        **{decision.value: counts[decision] for decision in Decision},
    }
    refused = []
    if counts[Decision.REFUSED]:
        refused = decisions_of(db, [run.id], decisions=[Decision.REFUSED])
    event = AutoRenewCompleted(
        run_id=run.id,
        started_at=run.started_at,
        ended_at=run.ended_at,
        looked_at=run.looked_at,
        due=counts.total(),
        renewed=counts[Decision.RENEWED],
        skipped=counts[Decision.SKIPPED],
        held=counts[Decision.HELD],
        refused=counts[Decision.REFUSED],
        failed=counts[Decision.FAILED],
        refusals=[
            RenewalRefusal(
                certificate_id=each.row.certificate_id,
                common_name=each.row.common_name,
                reason=each.reason,
            )
            for each in refused[:NAMED]
        ],
    )
    record(db, "auto_renew.completed", run.id, who=Identity.of_row(run.requested_by), **totals)
    emit_event(db, event, subject=run.id, correlation_id=run.id)
    log.info("auto_renew.completed", run=run.id, **totals)


def _due(db: Session, setting: AutoRenewSetting, done: set[str]) -> tuple[int, list[Due]]:
    """Return (number of selected certificates of the account, the due ones this run has not decided yet)."""
    account = db.get_one(Account, setting.account_id)
    selected = selected_of(db, setting)
    going = successions(db, lines_of(selected))
    today = clock(db).astimezone(UTC).date()
    left = [each for each in selected if each.id not in done]
    at_its_time = [each for each in left if each.span.target <= today]
    verdicts, remarks = _judged(db, account, at_its_time, going)

    # Certificates with an objection are left out of the plan, so they use none of the day's cap.
    ahead = outlook(db, setting, selected, going, leave_out=done | verdicts.keys())
    waits = {own_id: each.again_at for own_id, each in verdicts.items() if each.again_at}
    note_plan(db, setting, ahead, waits)

    # When the target day is full, the plan uses an earlier day, so some are due before their target.
    early = [each for each in left if ahead.is_due(each.id) and each.span.target > today]
    earlier, said = _judged(db, account, early, going)
    verdicts, remarks = verdicts | earlier, remarks | said
    due = [
        Due(each, ahead.planned.get(each.id, today), verdict, remarks.get(each.id))
        for each in left
        if (verdict := verdicts.get(each.id) or _no_room(each, ahead)) or ahead.is_due(each.id)
    ]
    return len(selected), due


def _judged(
    db: Session, account: Account, those: Sequence[Selected], going: Mapping[str, Going]
) -> tuple[dict[str, Eligibility], dict[str, str]]:
    """Return the objections to renewing these certificates, and remarks on their keys, by certificate id."""
    if not those:
        return {}, {}
    facts = facts_about(db, account, those, going)
    return objections(facts, those), key_remarks(facts, those)


def _no_room(each: Selected, ahead: RenewalOutlook) -> Eligibility | None:
    """Return a verdict for a certificate that should have been renewed by today, but for the daily cap."""
    day = ahead.planned.get(each.id)
    if day is None or day <= ahead.today or each.span.wanted > ahead.today:
        return None
    return Eligibility(Decision.HELD, f"the cap of {ahead.cap} a day is reached: planned for {day}")


def _row(
    run: AutoRenewRun, due: Due, commands: Mapping[str, str], now: datetime
) -> dict[str, object]:
    return {
        "id": new_id(),
        "run_id": run.id,
        "certificate_id": due.selected.id,
        "common_name": due.selected.common_name,
        "not_after": due.selected.not_after,
        "planned": due.planned,
        "decision": due.decision,
        "reason": due.reason,
        "selected_by": due.selected.by,
        "command_id": commands.get(due.selected.id),
        "decided_at": now,
    }


def _logged(run: AutoRenewRun, due: Due, commands: Mapping[str, str]) -> dict[str, Any]:
    return entry(
        f"auto_renew.{due.decision}",
        due.selected.id,
        who=AUTO_RENEW,
        why=due.reason,
        command_id=commands.get(due.selected.id),
        run=run.id,
        common_name=due.selected.common_name,
    )
