"""Passing of time on the stage: times in the database are moved back an hour, or waiting rows made due."""

from contextlib import suppress

from sqlalchemy import func, text, update
from sqlalchemy.exc import OperationalError

from certline.models import Command, CommandStatus, NoticeRoute, Order, Outbox, Schedule
from certline.models.accounts.breaker import Breaker
from certline.models.accounts.rate_limit import RateLimit
from certline.models.commands.command import OPEN
from certline.models.database.session import WAKE
from tests.faults.harness.processes import Troupe

AN_HOUR = text("interval '1 hour'")


class Ageing(Troupe):
    """A troupe with methods that let time pass."""

    def age(self) -> None:
        """Let an hour pass for everything that waits. No worker may run: a call in progress would not age."""
        with self.plant.database.transaction() as db:
            db.execute(update(Order).values(sent_at=Order.sent_at - AN_HOUR))
            unsent = update(Outbox).where(Outbox.sent_at.is_(None))
            db.execute(unsent.values(not_before=Outbox.not_before - AN_HOUR))
            db.info[WAKE] = True
            db.execute(
                update(Breaker).values(
                    open_until=Breaker.open_until - AN_HOUR,
                    probing_until=Breaker.probing_until - AN_HOUR,
                )
            )
            db.execute(
                update(NoticeRoute).values(sending_until=NoticeRoute.sending_until - AN_HOUR)
            )
            db.execute(
                update(RateLimit).values(
                    next_at=RateLimit.next_at - AN_HOUR, held_until=RateLimit.held_until - AN_HOUR
                )
            )
        self.age_commands()  # after their messages, see `hasten`

    def age_commands(self) -> None:
        """Make open commands an hour older, so that the sweep takes the messages of due ones for lost."""
        waiting = update(Command).where(Command.status.in_(OPEN))
        older = waiting.values(
            not_before=Command.not_before - AN_HOUR, touched_at=Command.touched_at - AN_HOUR
        )
        while True:  # a producer may lock the same commands in another sequence
            with suppress(OperationalError), self.plant.database.transaction() as db:
                db.execute(older)
                return

    def make_schedules_due(self) -> None:
        """Make every schedule due."""
        with self.plant.database.transaction() as db:
            db.execute(update(Schedule).values(next_due=func.now()))

    def hasten(self) -> None:
        """Make waiting commands and messages due now, and run the sweep."""
        with self.plant.database.transaction() as db:
            # Messages first: a step inserted between the two statements may then be due before its message.
            # The other way round, its message could arrive before it is due, and the worker would skip it.
            later = update(Outbox).where(Outbox.sent_at.is_(None), Outbox.not_before > func.now())
            db.execute(later.values(not_before=func.now()))
            db.info[WAKE] = True
            db.execute(
                update(Command)
                .where(Command.status == CommandStatus.QUEUED, Command.not_before > func.now())
                .values(not_before=func.now())
            )
        self.type("schedule", "run", "sweep")

    def let_scm_recover(self) -> None:
        """Close the breaker, as if SCM had responded to other calls."""
        with self.plant.database.transaction() as db:
            db.execute(text("DELETE FROM breaker"))
