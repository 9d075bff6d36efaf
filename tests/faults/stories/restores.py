"""Story of a producer that dies during the recovery after a restore."""

from collections.abc import Sequence
from functools import partial

from sqlalchemy import update

from certline.models import Recovery
from certline.models.database.session import clock
from certline.models.restore.recovery import recovery_of
from tests.faults.crashes.injection import Death
from tests.faults.crashes.runner import kill
from tests.faults.harness.scenario import Stage
from tests.servers import until


def a_recovery(stage: Stage, points: Sequence[str]) -> None:
    """Kill the producer in each transaction of a recovery; the next one ends it, and the order is sent once."""
    stage.stop("producer")
    for point in points:
        seem_restored(stage)
        stage.place()
        kill(stage, [Death(point)], "producer")
    stage.start("producer")
    with stage.start("worker"):
        until(partial(is_over, stage), 60, every=0.2)
    stage.stop("worker")


def seem_restored(stage: Stage) -> None:
    """Make the stored identity another one, as after a restore, and have a new connection notice it."""
    with stage.plant.database.transaction() as db:
        db.execute(update(Recovery).values(timeline=Recovery.timeline + 1))
    stage.plant.database.close()


def is_over(stage: Stage) -> bool:
    """Let the settle time be over. Returns True once the recovery has ended."""
    with stage.plant.database.transaction() as db:
        row = recovery_of(db, lock=True)
        if row.compares_at is not None:
            row.compares_at = clock(db)
        return not row.in_progress
