"""Fault tests of workers that are stopped cleanly and restarted, as each deploy does, on quorum queues."""

import threading
from contextlib import closing

import dramatiq
import pytest
from dramatiq import worker as dramatiq_worker

from tests.faults.broker.stage import PATIENCE, Kind, Stage, broker_of, version_of
from tests.servers import until

DEPLOYS = 4
NAMES = [f"m{number}" for number in range(12)]


@pytest.mark.parametrize(
    # With eight threads stock prefetches two messages per thread and ours one; one thread is free in this test.
    ("kind", "prefetch"),
    [(Kind.STOCK, 16), (Kind.OURS, 8)],
)
def test_deploys_make_dead_letters_of_messages_that_never_ran_on_stock_and_none_on_ours(
    vhost: str, monkeypatch: pytest.MonkeyPatch, kind: Kind, prefetch: int
) -> None:
    # Since RabbitMQ 4.3 a requeued message isn't counted (RabbitMQ's discussion 18226).
    loses = kind is Kind.STOCK and version_of(vhost) < (4, 3)
    monkeypatch.setattr(dramatiq_worker, "QUEUE_PREFETCH", prefetch)
    with closing(broker_of(kind, vhost, quorum=True)) as broker:
        stage = Stage(broker, vhost)
        for name in NAMES:
            stage.publish(name)
        for _ in range(DEPLOYS):
            deploy(stage, prefetch)
        left = stage.left(at_least=len(NAMES) - len(stage.ran))

    assert sorted([*stage.ran, *left.waiting, *left.dead]) == sorted(NAMES)
    assert len(stage.ran) == DEPLOYS
    assert bool(left.dead) is loses


def deploy(stage: Stage, prefetch: int) -> None:
    """Run a worker that starts one message, prefetches more, and is stopped."""
    begun, go_on = threading.Event(), threading.Event()

    def work(_: str) -> None:
        begun.set()
        assert go_on.wait(PATIENCE)

    stage.act = work
    worker = dramatiq.Worker(
        stage.broker, queues={stage.queue}, worker_timeout=50, worker_threads=1
    )
    worker.start()
    assert begun.wait(PATIENCE)
    held = min(prefetch, len(NAMES) - len(stage.ran) + 1 - dead(stage))
    until(lambda: len(tags(worker, stage.queue)) == held, PATIENCE)
    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    until(lambda: not worker.workers[0].running, PATIENCE)
    go_on.set()
    stopping.join(PATIENCE)
    assert not stopping.is_alive()


def dead(stage: Stage) -> int:
    """Return the number of dead letters."""
    return int(stage.broker.get_queue_message_counts(stage.queue)[2])


def tags(worker: dramatiq.Worker, queue: str) -> set[int]:
    """Return the tags of the deliveries that a worker holds."""
    return set(getattr(worker.consumers[queue].consumer, "known_tags", ()))
