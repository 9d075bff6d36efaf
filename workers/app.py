"""What a worker process runs: the line of this environment, its broker, and the actors.

`certline run worker` starts Dramatiq's own process manager on this module.
"""

import os
from collections.abc import Callable
from typing import Any

import dramatiq

from certline.models import Database, Queue
from certline.models.database.embedded import database_url
from certline.models.settings import Settings
from certline.models.settings import settings as from_environment
from certline.models.vault import open_vault
from certline.workers.process.broker import make_broker
from certline.workers.process.health import WorkerHealth
from certline.workers.process.logs import configure
from certline.workers.process.middleware.prefetch import TakeAsManyAsThreads
from certline.workers.process.middleware.stopping import TellStopping
from certline.workers.process.parent_watch import end_with
from certline.workers.runtime.context import Line
from certline.workers.runtime.messages import RefusedMessageError, command_of
from certline.workers.runtime.step import Step, run
from certline.workers.steps import (
    cancel,
    delete,
    fetch,
    hook,
    import_batch,
    import_orders,
    order,
    poll,
    reconcile,
    reissue,
    renew,
    revoke,
    sync,
    webhook,
)

# What a thread takes first, where a process has several messages in hand: the lowest. Whatever else
# comes is done before an import's next batch, and a revocation before anything (see KeepAThread, too).
PRIORITY = {Queue.MANAGE: -10, Queue.HOOK: 5, Queue.BULK: 10, Queue.WEBHOOK: 10}

STEPS: tuple[Step, ...] = (
    sync.STEP,
    order.STEP,
    renew.STEP,
    reissue.STEP,
    poll.STEP,
    fetch.STEP,
    reconcile.STEP,
    revoke.STEP,
    import_orders.STEP,
    import_batch.STEP,
    cancel.STEP,
    delete.STEP,
    hook.STEP,
    webhook.STEP,
)


def declare(broker: dramatiq.Broker, line: Line) -> None:
    """Declare one actor for each step; a message carries the command's id and nothing else.

    A system that speaks Dramatiq's format may send a whole command (docs/commands-in.md).
    """
    broker.add_middleware(TellStopping(line.stopping))
    for step in STEPS:
        decorate = dramatiq.actor(
            actor_name=step.type.value,
            queue_name=step.queue.value,
            priority=PRIORITY.get(step.queue, 0),
            broker=broker,
            throws=RefusedMessageError,
        )
        decorate(_actor(line, step))


def _actor(line: Line, step: Step) -> Callable[..., None]:
    # It takes whatever the wire brings: what doesn't fit is refused in words, and not tried again.
    def actor(*args: Any, **kwargs: Any) -> None:
        run(line, step, command_of(line, step.type, args, kwargs))

    actor.__doc__ = step.work.__doc__
    return actor


def open_line(settings: Settings, *, threads: int = 8) -> Line:
    """The line of these settings; its pool has a connection for each thread."""
    database = Database(database_url(settings), pool_size=threads)
    return Line(database, open_vault(settings), settings)


def worker_app() -> None:
    """Set up a worker process: its logs, its broker with all actors, its health. Reads the environment."""
    settings = from_environment()
    configure(settings)
    end_with(os.getppid())  # the manager of the worker processes
    broker = make_broker(settings)
    line = open_line(settings)
    broker.add_middleware(TakeAsManyAsThreads())
    declare(broker, line)
    if settings.metrics_port is not None:
        broker.add_middleware(WorkerHealth(settings.metrics_port, line.database))
    dramatiq.set_broker(broker)
