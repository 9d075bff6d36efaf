"""Stories of the processes other than workers: the relay, the producer, the ingress, and all in one."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from sqlalchemy import select

from certline.models import AutoRenewDecision, Certificate, RenewalBatch
from certline.models.accounts.account import accounts
from certline.models.audit.identity import Identity
from certline.models.database.session import clock
from certline.models.states import Decision
from certline.producers.renewals.settings import choose, enable
from tests.faults.crashes.injection import Death
from tests.faults.crashes.runner import kill
from tests.faults.harness.external_client import (
    order_event,
    send_nonsense_to_workers,
    send_to_exchange,
)
from tests.faults.harness.scenario import Stage
from tests.faults.stories.requests import a_batch
from tests.servers import until


def the_relay(stage: Stage, points: Sequence[str]) -> None:
    """Kill the relay while it publishes rows."""
    stage.stop("relay")
    for point in points:
        stage.place()
        kill(stage, [Death(point)], "relay")
    stage.start("relay")


def the_producer(stage: Stage, points: Sequence[str]) -> None:
    """Kill the producer while its schedules fire."""
    stage.stop("producer")
    for point in points:
        stage.make_schedules_due()
        kill(stage, [Death(point)], "producer")
    stage.make_schedules_due()
    stage.start("producer")


def the_producer_renews_many(stage: Stage, points: Sequence[str]) -> None:
    """Kill the producer while it releases the next renewals of a batch."""
    stage.stop("producer")
    for point in points:
        batch = a_batch(stage)
        with stage.plant.database.transaction() as db:
            db.get_one(RenewalBatch, batch).next_at -= timedelta(hours=2)
        kill(stage, [Death(point)], "producer")
    stage.start("producer")


def an_auto_renewal(stage: Stage, points: Sequence[str]) -> None:
    """Kill the producer while it renews due certificates automatically; each is renewed once."""
    stage.stop("producer")
    due = []
    for point in points:
        due.append(stage.store().id)
        select_what_is_due(stage, due[-1])
        stage.make_schedules_due()
        kill(stage, [Death(point)], "producer")
    stage.make_schedules_due()
    stage.start("producer")
    until(partial(all_are_asked_for, stage, due), 60, every=0.2)


def select_what_is_due(stage: Stage, certificate_id: str) -> None:
    """Give a certificate three days left, and select it for automatic renewal."""
    with stage.plant.database.transaction() as db:
        found = db.get_one(Certificate, certificate_id)
        found.not_before, found.not_after = clock(db, timedelta(-87)), clock(db, timedelta(3))
        enable(db, accounts(db), days=30, cap=None, who=Identity("os:test"))
        choose(db, [found], selected=True, who=Identity("os:test"))


def all_are_asked_for(stage: Stage, due: Sequence[str]) -> bool:
    """Check whether each certificate has its renewal; none may have two."""
    with stage.plant.database.transaction() as db:
        query = select(AutoRenewDecision.certificate_id).where(
            AutoRenewDecision.decision == Decision.RENEWED
        )
        counts = Counter(db.scalars(query))
    assert all(count == 1 for count in counts.values()), counts
    return set(due) <= set(counts)


def everything_in_one_process(stage: Stage, points: Sequence[str]) -> None:
    """Start `certline up` in place of all processes, and kill it as it starts."""
    for point in points:
        stage.place()
        kill(stage, [Death(point)], "up")


def a_command_from_outside(stage: Stage, points: Sequence[str]) -> None:
    """Kill the ingress while it accepts another system's command."""
    stage.stop("ingress")
    for point in points:
        send_to_exchange(stage.vhost, order_event(stage.plant.wanted(stage.new_name())))
        kill(stage, [Death(point)], "ingress")
    stage.start("ingress")


def a_refused_command_from_outside(stage: Stage, points: Sequence[str]) -> None:
    """Kill the ingress while it keeps an invalid command of another system as a dead letter, once."""
    stage.stop("ingress")
    for point in points:
        event = order_event(stage.plant.wanted("nobody.nordhafen.example")) | {"specversion": "9"}
        send_to_exchange(stage.vhost, event)
        stage.letters += 1
        kill(stage, [Death(point)], "ingress")
    stage.start("ingress")


def nonsense_for_the_workers(stage: Stage, points: Sequence[str]) -> None:
    """Kill the worker while it rejects something that is not a message."""
    for point in points:
        send_nonsense_to_workers(stage.vhost)
        stage.letters += 1
        kill(stage, [Death(point)], "worker", "--threads", "1")


def a_dead_letter(stage: Stage, points: Sequence[str]) -> None:
    """Kill the ingress while it stores what a worker has rejected as a dead letter, once."""
    stage.stop("ingress")
    for point in points:
        send_nonsense_to_workers(stage.vhost)
        stage.letters += 1
        stage.start("worker")
        kill(stage, [Death(point)], "ingress")
        stage.stop("worker")
    stage.start("ingress")
