"""Worker process: sets up the worker context, the broker and one actor for each step.

`certline run worker` starts Dramatiq's own process manager on this module.
"""

import os
from collections.abc import Callable
from typing import Any

import dramatiq

from certline.models import Database
from certline.models.commands.kinds import KINDS
from certline.models.database.embedded_postgres import database_url
from certline.models.key_proof import watch_keys
from certline.models.settings import Settings
from certline.models.settings import settings as from_environment
from certline.models.vault import open_vault
from certline.workers.domains import dns_test, validate
from certline.workers.metrics.exposition import Exposition
from certline.workers.process.broker import make_broker
from certline.workers.process.health import WorkerHealth
from certline.workers.process.heart import WorkerHeart
from certline.workers.process.logs import configure
from certline.workers.process.middleware.last_spans import SendLastSpans
from certline.workers.process.middleware.prefetch import TakeAsManyAsThreads
from certline.workers.process.middleware.shutdown import TellStopping
from certline.workers.process.middleware.start import LogStart
from certline.workers.process.parent_watch import end_with, is_below_run_all
from certline.workers.programs.dumpable import close_to_others
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.messages import RefusedMessageError, command_of
from certline.workers.runtime.redelivery import require_readable
from certline.workers.runtime.step import Step, run
from certline.workers.steps import (
    cancel,
    delete,
    fetch,
    hook,
    import_batch,
    import_orders,
    notify,
    order,
    poll,
    reconcile,
    reissue,
    renew,
    revoke,
    sync,
    webhook,
)
from certline.workers.tracing.setup import start_tracing

STEPS: tuple[Step[Any], ...] = (
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
    notify.STEP,
    dns_test.STEP,
    validate.STEP,
)


def declare(broker: dramatiq.Broker, context: WorkerContext) -> None:
    """Declare one actor for each step. A message normally carries only a command id.

    Systems that speak Dramatiq's format may send a whole command instead (docs/commands-in.md).
    """
    broker.add_middleware(TellStopping(context.stopping))
    for step in STEPS:
        decorate = dramatiq.actor(
            actor_name=step.type.value,
            queue_name=step.queue.value,
            priority=KINDS[step.type].priority,
            broker=broker,
            throws=RefusedMessageError,  # not retried: the message becomes a dead letter at once
        )
        decorate(_actor(context, step))


def _actor(context: WorkerContext, step: Step[Any]) -> Callable[..., None]:
    # Accepts any arguments: with a fixed signature a malformed message would raise TypeError and be retried,
    # whereas command_of refuses it with a reason.
    def actor(*args: Any, **kwargs: Any) -> None:
        require_readable(context)
        run(context, step, command_of(context, step.type, args, kwargs))

    actor.__doc__ = step.work.__doc__
    return actor


def open_line(settings: Settings, *, threads: int = 16) -> WorkerContext:
    """Return the worker context for these settings, with `threads` pooled database connections."""
    # A thread has one connection at a time, so the number of threads bounds them, whatever --threads says.
    database = Database(database_url(settings), pool_size=threads, bounded=False)
    vault = open_vault(settings)
    watch_keys(database, vault)
    return WorkerContext(database, vault, settings)


def worker_app() -> None:
    """Set up a worker process from the environment: logs, broker with all actors, heartbeat, health endpoint."""
    close_to_others()
    settings = from_environment()
    configure(settings, "worker")
    end_with(os.getppid())  # Dramatiq's process manager
    broker = make_broker(settings)
    line = open_line(settings)
    broker.add_middleware(TakeAsManyAsThreads())
    declare(broker, line)
    every = settings.heartbeat_seconds
    broker.add_middleware(WorkerHeart(line.database, line.vault, every, line.tally))
    if settings.metrics_port is not None:
        exposition = None if is_below_run_all() else Exposition("worker")
        broker.add_middleware(WorkerHealth(settings, line.database.url, exposition))
    broker.add_middleware(SendLastSpans(start_tracing("worker")))  # after the fork
    broker.add_middleware(LogStart())
    dramatiq.set_broker(broker)
