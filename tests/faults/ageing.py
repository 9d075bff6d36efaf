"""Time on the stage: an hour is taken off what waits, or what waits is made due."""

from sqlalchemy import func, text, update

from certline.models import Command, CommandStatus, Order, Outbox, Schedule
from certline.models.accounts.breaker import Breaker
from certline.models.accounts.rate_limit import Pace
from certline.models.commands.command import OPEN
from tests.faults.troupe import Troupe

AN_HOUR = text("interval '1 hour'")


class Ageing(Troupe):
    """A troupe for whom time passes when the test says so."""

    def age(self) -> None:
        """Let an hour pass for everything that waits. No worker may run: none has a call in hand."""
        with self.plant.database.transaction() as db:
            db.execute(update(Order).values(sent_at=Order.sent_at - AN_HOUR))
            unsent = update(Outbox).where(Outbox.sent_at.is_(None))
            db.execute(unsent.values(not_before=Outbox.not_before - AN_HOUR))
            db.execute(
                update(Breaker).values(
                    open_until=Breaker.open_until - AN_HOUR,
                    probing_until=Breaker.probing_until - AN_HOUR,
                )
            )
            db.execute(
                update(Pace).values(
                    next_at=Pace.next_at - AN_HOUR, held_until=Pace.held_until - AN_HOUR
                )
            )
        self.age_commands()  # after their messages, as in `hasten`

    def age_commands(self) -> None:
        """Nobody has touched a command for an hour: where it is due, its message must be lost."""
        with self.plant.database.transaction() as db:
            waiting = update(Command).where(Command.status.in_(OPEN))
            db.execute(
                waiting.values(
                    not_before=Command.not_before - AN_HOUR, touched_at=Command.touched_at - AN_HOUR
                )
            )

    def make_schedules_due(self) -> None:
        """Every schedule is due again."""
        with self.plant.database.transaction() as db:
            db.execute(update(Schedule).values(next_due=func.now()))

    def hasten(self) -> None:
        """Make due what waits for its time, and have the sweep look at it."""
        with self.plant.database.transaction() as db:
            # The messages first: a step that is written between the two statements may be due before
            # its message is, and not the other way, where a worker would find nothing to do.
            later = update(Outbox).where(Outbox.sent_at.is_(None), Outbox.not_before > func.now())
            db.execute(later.values(not_before=func.now()))
            db.execute(
                update(Command)
                .where(Command.status == CommandStatus.QUEUED, Command.not_before > func.now())
                .values(not_before=func.now())
            )
        self.type("schedule", "run", "sweep")

    def let_scm_recover(self) -> None:
        """Others have had answers from SCM, so the breaker is closed."""
        with self.plant.database.transaction() as db:
            db.execute(text("DELETE FROM breaker"))
