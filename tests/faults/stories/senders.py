"""Stories of senders: the process that manages them dies, or the ingress that refuses one of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import func, select, update

from certline.models import AuditEntry, Sender, SenderKind
from certline.models.commands.kinds import PUBLIC
from certline.models.database.base import new_id
from tests.faults.crashes.injection import Death
from tests.faults.crashes.runner import kill
from tests.faults.harness.external_client import order_event, send_to_exchange
from tests.faults.harness.scenario import Stage
from tests.faults.stories.requests import type_twice
from tests.servers import until


def a_sender_is_added(stage: Stage, points: Sequence[str]) -> None:
    """Kill `sender add`; typed again, the sender is there, with one audit entry."""
    for point in points:
        name = new_id().lower()
        type_twice(stage, point, "sender", "add", name, "--amqp-user", name)
        assert logged(stage, "sender.added", name) == 1


def a_sender_is_changed(stage: Stage, points: Sequence[str]) -> None:
    """Kill `sender set`; typed again, the change is made and logged once."""
    for point in points:
        name = added(stage)
        type_twice(stage, point, "sender", "set", name, "--commands", "poll")
        with stage.plant.database.transaction() as db:
            assert db.get_one(Sender, name).commands == ["poll"]
        assert logged(stage, "sender.changed", name) == 1


def a_sender_is_removed(stage: Stage, points: Sequence[str]) -> None:
    """Kill `sender remove`; typed again, the sender is gone."""
    for point in points:
        name = added(stage)
        type_twice(stage, point, "sender", "remove", name)
        with stage.plant.database.transaction() as db:
            assert db.get(Sender, name) is None
        assert logged(stage, "sender.removed", name) == 1


def a_forbidden_command(stage: Stage, points: Sequence[str]) -> None:
    """Kill the ingress while it refuses a command that its sender may not send: kept and audited once."""
    stage.stop("ingress")
    before = logged(stage, "command.refused")
    with senders_that_may_only(stage, "poll"):
        for point in points:
            send_to_exchange(stage.vhost, order_event(stage.plant.wanted("no.nordhafen.example")))
            stage.letters += 1
            kill(stage, [Death(point)], "ingress")
        stage.start("ingress")
        until(lambda: logged(stage, "command.refused") >= before + len(points), 60)
    assert logged(stage, "command.refused") == before + len(points)


@contextmanager
def senders_that_may_only(stage: Stage, command: str) -> Iterator[None]:
    """Take all other commands from the senders with a user of RabbitMQ, and give them back afterwards."""
    users = update(Sender).where(Sender.kind == SenderKind.USER)
    with stage.plant.database.transaction() as db:
        db.execute(users.values(commands=[command]))
    yield
    with stage.plant.database.transaction() as db:
        db.execute(users.values(commands=list(PUBLIC)))


def added(stage: Stage) -> str:
    """Add a sender. Returns its name."""
    name = new_id().lower()
    stage.type("sender", "add", name, "--amqp-user", name)
    return name


def logged(stage: Stage, kind: str, subject: str | None = None) -> int:
    """Count the audit entries of a type, of one subject if it is given."""
    query = select(func.count()).select_from(AuditEntry).where(AuditEntry.type == kind)
    if subject is not None:
        query = query.where(AuditEntry.subject == subject)
    with stage.plant.database.transaction() as db:
        return db.scalar(query) or 0
