"""Retention: deletes what is older than it is kept, in pieces, so that no table grows for ever.

Never deleted here: orders, certificates and keys, which only a user deletes; a command with an order, whose id has
to be known for ever; and the audit log, whose hash chain has to stay whole from its first entry.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from certline.models import (
    AutoRenewDecision,
    AutoRenewRun,
    Command,
    CommandStatus,
    CommandType,
    Database,
    DeadLetter,
    DeadLetterStatus,
    ImportRecord,
    Notice,
    Order,
    Outbox,
    RenewalBatch,
    RenewalMember,
    ReportedRecord,
    ScheduleRun,
)
from certline.models.audit.identity import PRODUCER
from certline.models.audit.log import record
from certline.models.commands.approval import Approval
from certline.models.commands.command import ENDED
from certline.models.commands.kinds import KINDS
from certline.models.commands.redelivery import forget_redeliveries
from certline.models.notices.notice import KEPT
from certline.models.settings import Settings

log = structlog.get_logger()

# Rows deleted in one transaction.
PIECE = 1_000
# Seconds: from the end of one pass to the next, and of one tick that a pass may take.
EVERY, TURN = 600.0, 2.0
# Kinds whose rows outlive the others of certline's own: their runs are listed by hook.
INTERNAL = tuple(
    kind
    for kind, known in KINDS.items()
    if not known.public and kind not in (CommandType.HOOK, CommandType.WEBHOOK)
)
# Sources of the commands that certline gives to itself.
OWN = ("certline", "producer")


@dataclass(frozen=True)
class Keep:
    """How long rows are kept. `events`: sent events and messages, and deliveries to webhooks; `letters`: dead
    letters, and what waits in vain for a person; `steps`: certline's own commands, records of imports, and firings
    of schedules; `commands`: commands of users and other systems, runs and batches of renewals.
    """

    events: timedelta = timedelta(days=7)
    letters: timedelta = timedelta(days=90)
    steps: timedelta = timedelta(days=30)
    commands: timedelta = timedelta(days=400)

    @classmethod
    def of(cls, settings: Settings) -> "Keep":
        """Return the retention that the settings ask for."""
        return cls(
            events=timedelta(days=settings.keep_events_days),
            letters=timedelta(days=settings.keep_dead_letters_days),
            steps=timedelta(days=settings.keep_steps_days),
            commands=timedelta(days=settings.keep_commands_days),
        )


# Deletes up to so many rows, and returns how many.
Forget = Callable[[Session, int], int]


class Retention:
    """Passes over the tables, one every EVERY seconds."""

    def __init__(self, database: Database, keep: Keep) -> None:
        self._database = database
        self._forgets = forgets(keep)
        self._due = 0.0

    def go_on(self) -> dict[str, int]:
        """Continue for up to TURN seconds if a pass is due. Returns the number of deleted rows by name."""
        gone: dict[str, int] = {}
        if time.monotonic() < self._due:
            return gone
        until = time.monotonic() + TURN
        for name, forget in self._forgets.items():
            piece = PIECE
            while piece == PIECE:
                with self._database.transaction() as db:
                    piece = forget(db, PIECE)
                if piece:
                    gone[name] = gone.get(name, 0) + piece
                if time.monotonic() > until:
                    break
        # Out of time: the next tick continues.
        if time.monotonic() <= until:
            self._due = time.monotonic() + EVERY
        if gone:
            log.info("retention.deleted", **gone)
        return gone


def forgets(keep: Keep) -> dict[str, Forget]:
    """Return what deletes old rows, by the name of the rows."""
    return {
        "events": lambda db, most: _delete(
            db,
            Outbox.id,
            or_(Outbox.sent_at < _before(keep.events), Outbox.parked_at < _before(keep.letters)),
            most,
        ),
        "deliveries": lambda db, most: _delete(db, Command.id, _old_delivery(keep), most),
        "letters": lambda db, most: _forget_letters(db, keep, most),
        "redeliveries": forget_redeliveries,
        # Not sooner than the relay holds events for too old to be told: see KEPT.
        "notices": lambda db, most: _delete(
            db,
            Notice.id,
            or_(Notice.sent_at < _before(KEPT), Notice.parked_at < _before(keep.letters)),
            most,
        ),
        "firings": lambda db, most: _forget_firings(db, keep, most),
        "import records": lambda db, most: _forget_records(db, ImportRecord, keep, most),
        "reported records": lambda db, most: _forget_records(db, ReportedRecord, keep, most),
        "decisions": lambda db, most: _delete(
            db, AutoRenewDecision.id, AutoRenewDecision.decided_at < _before(keep.commands), most
        ),
        "runs": lambda db, most: _delete(
            db,
            AutoRenewRun.id,
            and_(
                AutoRenewRun.ended_at < _before(keep.commands),
                ~exists().where(AutoRenewDecision.run_id == AutoRenewRun.id),
            ),
            most,
        ),
        "members": lambda db, most: _forget_members(db, keep, most),
        "batches": lambda db, most: _delete(
            db,
            RenewalBatch.id,
            and_(
                RenewalBatch.finished_at < _before(keep.commands),
                ~exists().where(RenewalMember.batch_id == RenewalBatch.id),
            ),
            most,
        ),
        "commands": lambda db, most: _delete(db, Command.id, _old_command(keep), most),
        "approvals": lambda db, most: _delete(db, Approval.id, _old_approval(keep), most),
    }


def _before(kept: timedelta) -> ColumnElement[Any]:
    return func.now() - kept


def _delete(
    db: Session, key: InstrumentedAttribute[Any], old: ColumnElement[bool], most: int
) -> int:
    """Delete up to `most` rows of the key's table that are old."""
    return _delete_selected(db, (key,), select(key).where(old), most)


def _delete_selected(
    db: Session, key: Sequence[InstrumentedAttribute[Any]], old: Select[*tuple[Any, ...]], most: int
) -> int:
    """Delete up to `most` rows of the key's table whose keys `old` selects; rows that somebody has locked stay."""
    table = key[0].class_
    # Without a lock on what `old` looks up in other tables.
    some = old.limit(most).with_for_update(of=table, skip_locked=True)
    gone = delete(table).where(tuple_(*key).in_(some)).returning(key[0])
    return len(db.scalars(gone).all())


def _old_delivery(keep: Keep) -> ColumnElement[bool]:
    return and_(
        Command.type == CommandType.WEBHOOK,
        or_(
            and_(Command.status == CommandStatus.DONE, Command.finished_at < _before(keep.events)),
            and_(
                Command.status.in_((CommandStatus.FAILED, CommandStatus.REVIEW)),
                Command.touched_at < _before(keep.letters),
            ),
        ),
    )


def _old_command(keep: Keep) -> ColumnElement[bool]:
    """Return the condition for ended commands that nothing refers to. One with an order is kept with its order."""
    own = or_(
        Command.type.in_(INTERNAL),
        and_(Command.type == CommandType.POLL, Command.source.in_(OWN)),
    )
    return and_(
        Command.status.in_(ENDED),
        Command.type != CommandType.WEBHOOK,
        or_(
            Command.finished_at < _before(keep.commands),
            and_(own, Command.finished_at < _before(keep.steps)),
        ),
        ~exists().where(Order.command_id == Command.id),
        ~exists().where(RenewalMember.command_id == Command.id),
        # They would go in one transaction with it.
        ~exists().where(ImportRecord.command_id == Command.id),
        ~exists().where(ReportedRecord.command_id == Command.id),
    )


def _old_approval(keep: Keep) -> ColumnElement[bool]:
    """Return the condition for approvals decided long ago, and for exports that nobody decided about."""
    undecided = and_(Approval.approved.is_(None), ~Approval.of_command)
    return or_(
        Approval.decided_at < _before(keep.commands),
        and_(undecided, Approval.requested_at < _before(keep.letters)),
    )


def _forget_letters(db: Session, keep: Keep, most: int) -> int:
    """Delete letters decided on, or received, long ago; those that nobody decided on are told to the audit log."""
    decided = _delete(db, DeadLetter.id, DeadLetter.decided_at < _before(keep.letters), most)
    waiting = and_(
        DeadLetter.status == DeadLetterStatus.WAITING,
        DeadLetter.received_at < _before(keep.letters),
    )
    undecided = _delete(db, DeadLetter.id, waiting, most - decided) if decided < most else 0
    if undecided:
        why = f"nobody decided about them within {keep.letters.days} days"
        record(db, "dead_letter.forgotten", "dead letters", who=PRODUCER, why=why, count=undecided)
    return decided + undecided


def _forget_firings(db: Session, keep: Keep, most: int) -> int:
    key, later = (ScheduleRun.name, ScheduleRun.due), aliased(ScheduleRun)
    old = select(*key).where(
        ScheduleRun.fired_at < _before(keep.steps),
        # The last firing is shown with its schedule.
        exists().where(later.name == ScheduleRun.name, later.fired_at > ScheduleRun.fired_at),
    )
    return _delete_selected(db, key, old, most)


def _forget_records(
    db: Session, kind: type[ImportRecord | ReportedRecord], keep: Keep, most: int
) -> int:
    key = (kind.command_id, kind.scm_id)
    old = select(*key).join(Command, Command.id == kind.command_id)
    ended = (Command.status.in_(ENDED), Command.finished_at < _before(keep.steps))
    return _delete_selected(db, key, old.where(*ended), most)


def _forget_members(db: Session, keep: Keep, most: int) -> int:
    key = (RenewalMember.batch_id, RenewalMember.position)
    old = select(*key).join(RenewalBatch, RenewalBatch.id == RenewalMember.batch_id)
    return _delete_selected(
        db, key, old.where(RenewalBatch.finished_at < _before(keep.commands)), most
    )
