"""Stories of webhooks: the process that posts an event dies, or the one that manages webhooks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import select, update

from certline.models import Command, CommandStatus, CommandType, Webhook, WebhookStatus
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from certline.models.database.base import new_id
from certline.models.webhook import park
from certline.producers.requests.webhooks import add_webhook, post_test_event, remove_webhook
from tests.faults.crashes.runner import kill_workers
from tests.faults.harness.scenario import Stage
from tests.faults.stories.requests import type_twice
from tests.unit.scm.odd_server import OddServer, Seen, http

# An event that no story of the same group publishes, so that nothing else is posted.
QUIET = "import.completed"


class Receiver:
    """A receiver that responds with `status` at any path until the story changes it."""

    def __init__(self, stage: Stage, status: str) -> None:
        self.stage = stage
        self.status = status
        self.server = OddServer([self._answer])
        self.deliveries: list[Command] = []

    def _answer(self, _seen: Seen) -> bytes:
        return http(self.status)

    def deliver(self) -> Command:
        """Queue an event for a webhook of its own, so that no delivery waits for another's rest."""
        url = f"{self.server.url}/{new_id()}"
        database, vault = self.stage.plant.database, self.stage.plant.vault
        hook = add_webhook(
            database, vault, url, [QUIET], allow_private=True, who=Identity("os:test")
        ).webhook
        with database.transaction() as db:
            payload = {"webhook": hook.id, "event": {"id": new_id(), "type": QUIET}}
            command, _ = accept(
                db,
                CommandType.WEBHOOK,
                payload,
                requested_by=Identity("certline:certline"),
                source="certline",
                subject=hook.id,
            )
        self.deliveries.append(command)
        return command

    def test(self) -> Command:
        """Queue a test event for a webhook of its own."""
        url = f"{self.server.url}/{new_id()}"
        database, vault = self.stage.plant.database, self.stage.plant.vault
        hook = add_webhook(
            database, vault, url, [QUIET], allow_private=True, who=Identity("os:test")
        ).webhook
        command = post_test_event(database, hook.id, who=Identity("os:test"))
        self.deliveries.append(command)
        return command

    def take_all(self) -> None:
        """Accept everything from now on, retry parked deliveries, and check that every event has arrived."""
        self.status = "204 No Content"
        with self.stage.plant.database.transaction() as db:
            db.execute(update(Webhook).values(status=WebhookStatus.ACTIVE, resting_until=None))
            parked = update(Command).where(Command.status == CommandStatus.REVIEW)
            ours = Command.id.in_([each.id for each in self.deliveries])
            db.execute(parked.where(ours).values(status=CommandStatus.QUEUED))
        self.stage.age()
        for each in self.deliveries:
            self.stage.run(each)
            assert self.stage.is_done(each), f"{each} was not taken"
            remove_webhook(self.stage.plant.database, str(each.subject), who=Identity("os:test"))
        wanted = {each.payload["event"]["id"] for each in self.deliveries}
        assert {seen.headers["webhook-id"] for seen in self.server.seen} == wanted


@contextmanager
def receiving(stage: Stage, status: str = "204 No Content") -> Iterator[Receiver]:
    """Yield a receiver that has received every event at the end."""
    receiver = Receiver(stage, status)
    with receiver.server:
        yield receiver
        receiver.take_all()


def an_event_to_a_webhook(stage: Stage, points: Sequence[str]) -> None:
    """Post an event; if its worker dies, it is posted again under the same id."""
    with receiving(stage) as receiver:
        kill_workers(stage, points, [receiver.deliver() for _ in points])


def a_webhook_is_tested(stage: Stage, points: Sequence[str]) -> None:
    """Post a test event; if its worker dies, it is posted again under the same id."""
    with receiving(stage) as receiver:
        kill_workers(stage, points, [receiver.test() for _ in points])


def a_receiver_in_trouble(stage: Stage, points: Sequence[str]) -> None:
    """Post to a receiver that is temporarily unavailable."""
    with receiving(stage, "503 Service Unavailable") as receiver:
        kill_workers(stage, points, [receiver.deliver() for _ in points])


def a_receiver_that_is_gone(stage: Stage, points: Sequence[str]) -> None:
    """Post to a receiver that responds 410: its deliveries are parked."""
    with receiving(stage, "410 Gone") as receiver:
        kill_workers(stage, points, [receiver.deliver() for _ in points])


def a_webhook_is_added(stage: Stage, points: Sequence[str]) -> None:
    """Kill `webhook add`; typed again, the webhook exists once."""
    for point in points:
        url = f"https://127.0.0.1:1/{new_id()}"
        words = ("webhook", "add", url, "--events", QUIET, "--allow-private")
        type_twice(stage, point, *words)
        with stage.plant.database.transaction() as db:
            [hook] = db.scalars(select(Webhook).where(Webhook.url == url))
        remove_webhook(stage.plant.database, hook.id, who=Identity("os:test"))


def a_webhook_is_removed(stage: Stage, points: Sequence[str]) -> None:
    """Kill `webhook remove`."""
    for point in points:
        url = f"https://127.0.0.1:1/{new_id()}"
        stage.type("webhook", "add", url, "--events", QUIET, "--allow-private")
        type_twice(stage, point, "webhook", "remove", url)
        with stage.plant.database.transaction() as db:
            assert db.scalar(select(Webhook).where(Webhook.url == url)) is None


def a_webhook_is_enabled(stage: Stage, points: Sequence[str]) -> None:
    """Kill `webhook enable`."""
    with receiving(stage) as receiver:
        for point in points:
            hook_id = str(receiver.deliver().subject)
            with stage.plant.database.transaction() as db:
                db.get_one(Webhook, hook_id).status = WebhookStatus.DISABLED
            type_twice(stage, point, "webhook", "enable", hook_id)


def deliveries_are_retried(stage: Stage, points: Sequence[str]) -> None:
    """Kill `webhook retry`."""
    with receiving(stage) as receiver:
        for point in points:
            delivery = receiver.deliver()
            with stage.plant.database.transaction() as db:
                park(db, db.get_one(Command, delivery.id), why="a test")
            type_twice(stage, point, "webhook", "retry", delivery.id)
