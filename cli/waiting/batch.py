"""Batches of renewals: their texts, and waiting for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certline.cli import context
from certline.cli.errors import DONE, FAILED, WAITS, Fault
from certline.cli.ui.output import answer, facts, say, table
from certline.cli.waiting.watch import Watch
from certline.models.documents.projection import minute, time_span

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from certline.models import Database, RenewalBatch
    from certline.models.renewals.batch import Counts, Member, State
    from certline.models.renewals.batch_state import BatchState


def _trouble() -> tuple[State, ...]:
    """Return the states that need an operator's attention."""
    from certline.models.renewals.batch import State

    return State.FAILED, State.REVIEW, State.REFUSED


def find_batch(db: Session, name: str) -> RenewalBatch:
    """Return the batch with that id. Raises Fault."""
    from certline.models import RenewalBatch

    found = db.get(RenewalBatch, name.upper())
    if found is None:
        raise Fault(f"batch {name!r} is not known", hint="To list them: certline renewal list")
    return found


def answer_batch(batch_id: str, *, started: bool = False) -> None:
    """Print a batch with all its members as the result of a command."""
    from certline.models import RenewalBatch
    from certline.models.documents.renewal import batch_document, member_document
    from certline.models.renewals.batch import members_of
    from certline.models.renewals.batch_state import standing_of

    with context.database().transaction() as db:
        now = standing_of(db, db.get_one(RenewalBatch, batch_id))
        members = members_of(db, batch_id)
    document = batch_document(now) | {"members": [member_document(each) for each in members]}
    answer(document, lambda: _show(now, members, started=started))


def progress(now: BatchState) -> str:
    """Return the progress, such as `412 of 2,000 renewed, 3 failed; 500/h; 3.2 h left, until 2026-11-25
    18:40`.
    """
    from certline.models import BatchStatus
    from certline.models.renewals.batch import State

    batch, counts = now.batch, now.counts
    text = f"{counts.renewed:,} of {counts.total:,} renewed"
    for state in _trouble():
        count = getattr(counts, state.value)
        text += f", {count:,} {'in ' if state is State.REVIEW else ''}{state}" if count else ""
    text += f", {counts.cancelled:,} cancelled" if counts.cancelled else ""
    text += f", {counts.running:,} under way" if counts.running else ""
    if batch.status is BatchStatus.PAUSED:
        return f"{text}; paused"
    if batch.per_hour is not None and counts.waiting:
        text += f"; {batch.per_hour}/h"
    if now.left is not None and counts.open:
        text += f"; {time_span(now.left)} left, until {minute(now.ends_at)}"
    return text


def exit_code(counts: Counts) -> int:
    """Return the exit code for a batch that has ended."""
    if counts.failed or counts.refused or counts.cancelled:
        return FAILED
    return WAITS if counts.review else DONE


def wait_for_batch(database: Database, batch_id: str, timeout: float | None) -> int:
    """Wait until a batch has ended, or is paused with nothing in progress, and return the exit code.

    `timeout` is in seconds. Raises OperationalError if Postgres is away for longer than AWAY_AFTER.
    """
    return BatchWatch(database, batch_id).wait(timeout)


def _is_over(now: BatchState) -> bool:
    from certline.models import BatchStatus

    paused = now.batch.status is BatchStatus.PAUSED and not now.counts.running
    return paused or now.batch.status is BatchStatus.DONE


class BatchWatch(Watch["tuple[BatchState, list[Member]]"]):
    """A batch that is waited for, and what was reported about it."""

    look_every = 1.0

    def __init__(self, database: Database, batch_id: str) -> None:
        super().__init__(database)
        self._batch_id = batch_id
        self._code: int | None = None
        self._progress = "…"
        self._last = ""
        self._said: set[str] = set()

    @property
    def code(self) -> int | None:
        """The exit code if the batch has ended or is paused with nothing in progress, otherwise None."""
        return self._code

    def load(self, db: Session) -> tuple[BatchState, list[Member]]:
        """Load the progress, and the certificates that need an operator's attention."""
        from certline.models import RenewalBatch
        from certline.models.renewals.batch import members_of
        from certline.models.renewals.batch_state import standing_of

        now = standing_of(db, db.get_one(RenewalBatch, self._batch_id))
        return now, members_of(db, self._batch_id, _trouble())

    def report(self, now: tuple[BatchState, list[Member]]) -> None:
        """Report each new failure once; the progress now and then, and at the end."""
        from certline.models import BatchStatus

        state, trouble = now
        for member in trouble:
            if member.certificate_id not in self._said:
                self._said.add(member.certificate_id)
                self._tell(f"{member.common_name}: {member.state}: {member.reason}")
        self._progress = progress(state)
        # A live status line shows every progress.
        if not self.is_live and self.counts_are_due():
            self._tell_progress()
        if _is_over(state):
            # Unless it was just reported.
            if self._progress != self._last:
                self._tell_progress()
            # A paused batch waits for an operator, whatever its counts are.
            done = state.batch.status is BatchStatus.DONE
            self._code = exit_code(state.counts) if done else WAITS

    def line(self) -> str:
        """Return the text of the status line."""
        return self._progress

    def give_up(self) -> None:
        """Report that the timeout has passed."""
        self._tell(f"not ended after {self.seconds():.0f} s; {self.goes_on()}")

    def goes_on(self) -> str:
        """Return the sentence that says how to go on waiting."""
        return f"the batch goes on: certline renewal wait {self._batch_id}"

    def _tell_progress(self) -> None:
        self._last = self._progress
        self._tell(self._progress)

    def _tell(self, text: str) -> None:
        self.tell(f"[{self.seconds():5.1f} s] {text}")


def _show(now: BatchState, members: list[Member], *, started: bool) -> None:
    batch = now.batch
    facts(
        {
            "batch": batch.id,
            "status": batch.status,
            "selection": batch.selection,
            "pace": None if batch.per_hour is None else f"{batch.per_hour}/h",
            "reuse key": batch.reuse_key,
            "progress": progress(now),
            "requested by": batch.requested_by,
            "started": minute(batch.created_at),
            "ended": minute(batch.finished_at),
        }
    )
    anew = sum(member.ordered_anew for member in members)
    if anew:
        say(f"\nPlaced as new orders, because their profile allows no renewal: {anew:,}")
    trouble = [member for member in members if member.state in _trouble()]
    if trouble:
        say("")
        rows = [(each.common_name, each.state, each.order_id, each.reason) for each in trouble]
        table(["common name", "status", "order", "why"], rows, empty="")
    if started and now.counts.open:
        say(f"\nIt runs in the background; to wait for it: certline renewal wait {batch.id}")
        say(f"To pause it:                               certline renewal pause {batch.id}")
        say(f"To cancel what is left:                    certline renewal cancel {batch.id}")
