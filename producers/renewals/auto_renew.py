"""Auto-renewal: what is due today is renewed as by hand, and what is not has its reason.

A run is a row, made in the transaction of its firing. Any producer goes on with it, a piece at a
time: decisions, renew commands and the log of a piece are one transaction under the run's lock. So
a producer that dies has decided a piece or has not, another one goes on, and nobody is renewed twice.
The commands are those of `certificate renew`: a worker checks, makes the key and places the order
(workers/ordering/succession.py), and a line has one successor on its way at a time.
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
from certline.models.audit.log import Event, entry, record
from certline.models.commands.bulk import accept_many
from certline.models.commands.payloads import RenewCommand
from certline.models.database.base import new_id
from certline.models.database.bulk import add_rows
from certline.models.database.session import clock
from certline.models.events.outbox import emit_event
from certline.models.renewals.plan import (
    Going,
    Outlook,
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
    Decision,
    begin_run,
    counts_of,
    decisions_of,
    take_open_run,
)
from certline.models.renewals.selection import AutoRenewSetting, auto_renew_settings
from certline.producers.renewals.eligibility import Verdict, facts_about, objections

log = structlog.get_logger()

# Certificates that are decided in one transaction: a few seconds, most of which go into the look at
# all of them that each piece begins with.
PIECE = 1_000
# Seconds that a tick may take for it: the sweep is due each minute.
PATIENCE = 10.0
# Refusals that an event names; the audit has them all.
NAMED = 100


@dataclass(frozen=True)
class Due:
    """A certificate whose day has come, what was planned for it, and what speaks against it."""

    selected: Selected
    planned: date | None
    verdict: Verdict | None

    @property
    def decision(self) -> Decision:
        """What becomes of it."""
        return Decision.RENEWED if self.verdict is None else self.verdict.decision

    @property
    def reason(self) -> str | None:
        """Why it isn't renewed."""
        return None if self.verdict is None else self.verdict.reason


def start_run(db: Session, *, requested_by: str = "schedule") -> dict[str, int]:
    """Begin a run; a producer goes on with it. Where one has not ended, there is no second one."""
    begin_run(db, requested_by=requested_by)
    return {"runs": 1}


def go_on_for(database: Database, seconds: float = PATIENCE) -> None:
    """Go on with the open run, for so long at most."""
    until = time.monotonic() + seconds
    while go_on(database) and time.monotonic() < until:
        pass


def go_on(database: Database) -> bool:
    """Decide a piece of the open run, and end the run where that was the last; answers whether there
    is more to decide, and no other producer is at it.
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
        run.looked_at = max(run.looked_at, looked_at)
        decide(db, run, due[:PIECE])
        if len(due) > PIECE:
            return True
        finish_run(db, run)
        return False


def decide(db: Session, run: AutoRenewRun, due: Sequence[Due]) -> None:
    """Write down what becomes of each of these, and ask for the renewals among them."""
    now = clock(db)
    # By certificate: the renewal of one certificate in one run has one id, whoever asks for it.
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
        requested_by="auto-renew",
        source="producer",
        correlation_id=run.id,
    )
    add_rows(db, AutoRenewDecision, [_row(run, each, commands, now) for each in due])
    add_rows(db, Event, [_logged(run, each, commands) for each in due])


def finish_run(db: Session, run: AutoRenewRun) -> None:
    """End a run: its row, its log row and its event."""
    run.ended_at = clock(db)
    counts = counts_of(db, [run.id])[run.id]
    told: dict[str, Any] = {
        "looked_at": run.looked_at,
        "due": counts.total(),
        **{decision.value: counts[decision] for decision in Decision},
    }
    refused = []
    if counts[Decision.REFUSED]:
        refused = decisions_of(db, [run.id], decisions=[Decision.REFUSED])
    facts = {
        "run_id": run.id,
        "started_at": run.started_at.isoformat(),
        "ended_at": run.ended_at.isoformat(),
        **told,
        "refusals": [
            {
                "certificate_id": each.row.certificate_id,
                "common_name": each.row.common_name,
                "reason": each.reason,
            }
            for each in refused[:NAMED]
        ],
    }
    record(db, "auto_renew.completed", run.id, who=run.requested_by, **told)
    emit_event(db, "auto_renew.completed", facts, subject=run.id, correlation_id=run.id)
    log.info("auto_renew.completed", run=run.id, **told)


def _due(db: Session, setting: AutoRenewSetting, done: set[str]) -> tuple[int, list[Due]]:
    """How many of an account are selected, and those that are due and not decided in this run."""
    account = db.get_one(Account, setting.account_id)
    selected = selected_of(db, setting)
    going = successions(db, lines_of(selected))
    today = clock(db).astimezone(UTC).date()
    left = [each for each in selected if each.id not in done]
    at_its_time = [each for each in left if each.span.target <= today]
    verdicts = _objections(db, account, at_its_time, going)

    # What isn't renewed takes nobody's place.
    ahead = outlook(db, setting, selected, going, leave_out=done | verdicts.keys())
    waits = {own_id: each.again_at for own_id, each in verdicts.items() if each.again_at}
    note_plan(db, setting, ahead, waits)

    early = [each for each in left if ahead.is_due(each.id) and each.span.target > today]
    verdicts |= _objections(db, account, early, going)
    due = [
        Due(each, ahead.planned.get(each.id, today), verdict)
        for each in left
        if (verdict := verdicts.get(each.id) or _no_room(each, ahead)) or ahead.is_due(each.id)
    ]
    return len(selected), due


def _objections(
    db: Session, account: Account, those: Sequence[Selected], going: Mapping[str, Going]
) -> dict[str, Verdict]:
    return objections(facts_about(db, account, those, going), those) if those else {}


def _no_room(each: Selected, ahead: Outlook) -> Verdict | None:
    """The cap keeps back what should have been renewed by today."""
    day = ahead.planned.get(each.id)
    if day is None or day <= ahead.today or each.span.wanted > ahead.today:
        return None
    return Verdict(Decision.HELD, f"the cap of {ahead.cap} a day is reached: it goes on {day}")


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
        who="auto-renew",
        why=due.reason,
        command_id=commands.get(due.selected.id),
        run=run.id,
        common_name=due.selected.common_name,
    )
