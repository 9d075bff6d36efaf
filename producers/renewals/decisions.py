"""Decisions of an auto-renewal run: emit a renew command for each certificate that is due, or record why not.

The decisions, renew commands and audit entries of a piece, and the place that the run has come to, are one
transaction under the run's row lock. So a producer that dies has decided a piece completely or not at all, another
producer continues the run, and no certificate is renewed twice. The commands are the same as those of
`certificate renew`: a worker checks them, makes the key and places the order (workers/ordering/succession.py), and
a line has at most one open successor at a time.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid5

from pydantic import BaseModel
from sqlalchemy.orm import Session

from certline.models import CommandType, Database
from certline.models.accounts.account import Account
from certline.models.audit.identity import AUTO_RENEW
from certline.models.audit.log import AuditEntry, entry
from certline.models.commands.bulk import accept_many
from certline.models.commands.payloads import RenewCommand
from certline.models.database.base import new_id
from certline.models.database.bulk import add_rows
from certline.models.database.session import clock
from certline.models.renewals.plan import (
    Selected,
    lines_of,
    note_days,
    renewed_on,
    selected_of,
    successions,
)
from certline.models.renewals.runs import (
    AutoRenewDecision,
    AutoRenewRun,
    decided_in,
    take_open_run,
)
from certline.models.renewals.selection import AutoRenewSetting
from certline.models.renewals.sequence import Place, in_sequence, load_of, place_of
from certline.models.renewals.timing import Calendar, Span
from certline.models.states import Decision, DecisionCode
from certline.producers.renewals.day_plan import changed_days, span_of_row
from certline.producers.renewals.eligibility import (
    Eligibility,
    facts_about,
    key_remarks,
    objections,
)

# Certificates looked at, and so decided at most, in one transaction.
PIECE = 1_000


class Position(BaseModel):
    """How far a run has come: the accounts that are `done`, and in the present one the place `after` which it goes
    on, with the renewals of each day (ordinal) planned so far.
    """

    done: list[int] = []
    account: int | None = None
    after: Place | None = None
    cap: int = 1
    days: dict[int, int] = {}
    looked_at: int = 0


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
    def code(self) -> DecisionCode:
        """The kind of its reason."""
        return DecisionCode.DUE if self.verdict is None else self.verdict.code

    @property
    def reason(self) -> str | None:
        """Why the certificate is not renewed, or a remark on its renewal."""
        return self.remark if self.verdict is None else self.verdict.reason


@dataclass
class RunPiece:
    """Certificates of one account that are looked at together, in the sequence of planning.

    Mappings are keyed by certificate id. `known`: those that may be due and were not decided about; `days`: the
    planned days.
    """

    setting: AutoRenewSetting
    rows: Sequence[Any]
    spans: Mapping[str, Span]
    known: dict[str, Selected] = field(default_factory=dict)
    verdicts: dict[str, Eligibility] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)
    days: dict[str, date] = field(default_factory=dict)

    def plan(self, calendar: Calendar) -> None:
        """Plan the days. Certificates with an objection, or being renewed, have none: they use none of the cap."""
        for row in self.rows:
            if not row.is_going and row.id not in self.verdicts:
                self.days[row.id] = calendar.take(self.spans[row.id])

    def changed(self) -> dict[str, datetime | None]:
        """Return the days that are not stored yet."""
        waits = {own: each.again_at for own, each in self.verdicts.items() if each.again_at}
        return changed_days(self.rows, self.days, waits)

    def judge(self, db: Session, run_id: str, certificates: Collection[str]) -> None:
        """Find the objections to renewing these certificates, and remarks on their keys.

        Left out are those that the run has decided about, and those deselected meanwhile.
        """
        if not certificates:
            return
        done = decided_in(db, run_id, certificates)
        found = selected_of(db, self.setting, certificates)
        those = [each for each in found if each.id not in done]
        self.known |= {each.id: each for each in those}
        account = db.get_one(Account, self.setting.account_id)
        facts = facts_about(db, account, those, successions(db, lines_of(those)))
        self.verdicts |= objections(facts, those)
        self.remarks |= key_remarks(facts, those)

    def due(self, calendar: Calendar) -> Iterator[Due]:
        """Yield the certificates that are due."""
        for own_id, each in self.known.items():
            day = self.days.get(own_id)
            verdict = self.verdicts.get(own_id) or _no_room(each, day, calendar)
            if verdict or (day is not None and day <= calendar.today):
                yield Due(each, day or calendar.today, verdict, self.remarks.get(own_id))


class RunAtWork:
    """An open run, as it is continued from where its row says that it is.

    Each piece is stored together with the run's place. A piece that changes nothing is not stored.
    """

    def __init__(self, database: Database, run: AutoRenewRun) -> None:
        self._database = database
        self._run_id = run.id
        self._stored = run.position
        self._position = Position.model_validate(run.position or {})
        self._calendar = Calendar(date.min, 1, {})

    def rows(self, reader: Session, setting: AutoRenewSetting) -> Iterator[Sequence[Any]]:
        """Yield the account's certificates that were not looked at yet, in the sequence of planning."""
        position, account = self._position, setting.account_id
        if account in position.done:
            return
        today = clock(reader).astimezone(UTC).date()
        load = load_of(reader, setting)
        if position.account != account:
            position.account, position.after, position.cap = account, None, load.cap(setting)
            position.days = {today.toordinal(): renewed_on(reader, account, today)}
        taken = {date.fromordinal(day): count for day, count in position.days.items()}
        self._calendar = Calendar(today, position.cap, taken)
        yield from in_sequence(reader, setting, load, today, after=position.after, piece=PIECE)
        position.done.append(account)

    def decide(self, setting: AutoRenewSetting, rows: Sequence[Any]) -> bool:
        """Decide about the due ones of these certificates, and store the days of all of them.

        Returns False if another process has continued the run.
        """
        calendar, position = self._calendar, self._position
        piece = RunPiece(setting, rows, {row.id: span_of_row(row) for row in rows})
        last = piece.spans[rows[-1].id]
        position.looked_at += len(rows)
        position.after = place_of(rows[-1], last.wanted, emergency=last.emergency <= calendar.today)
        timely = [own for own, span in piece.spans.items() if span.target <= calendar.today]
        if not timely:
            piece.plan(calendar)
            due = min(piece.days.values(), default=date.max) <= calendar.today
            if not due and not piece.changed():
                return True  # nothing to store

        def work(db: Session, run: AutoRenewRun) -> None:
            if timely:
                piece.judge(db, run.id, timely)
                piece.plan(calendar)
            note_days(db, setting, piece.changed())
            # When the target day is full, the plan uses an earlier day, so some are due before their target.
            soon = (own for own, day in piece.days.items() if day <= calendar.today)
            piece.judge(db, run.id, [own for own in soon if own not in timely])
            decide(db, run, list(piece.due(calendar)))

        return self.keep(work)

    def keep(self, work: Callable[[Session, AutoRenewRun], None]) -> bool:
        """Do the work in a transaction that also stores the run's place, under its lock.

        Returns False if another process has the lock, or has continued the run.
        """
        position = self._position
        with self._database.transaction() as db:
            run = take_open_run(db)
            if run is None or run.id != self._run_id or run.position != self._stored:
                return False
            run.looked_at = position.looked_at
            work(db, run)
            position.days = dict(self._calendar.used)
            run.position = stored = json.loads(position.model_dump_json())
        self._stored = stored
        return True


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


def _no_room(each: Selected, day: date | None, calendar: Calendar) -> Eligibility | None:
    """Return a verdict for a certificate that should have been renewed by today, but for the daily cap."""
    if day is None or day <= calendar.today or each.span.wanted > calendar.today:
        return None
    reason = f"the cap of {calendar.cap} a day is reached: planned for {day}"
    return Eligibility(Decision.HELD, DecisionCode.CAP, reason)


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
        "code": due.code,
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
