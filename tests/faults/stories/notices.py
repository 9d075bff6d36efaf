"""Stories of notices: the process that tells people dies, or the one that manages routes."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import select

from certline.models import Command, CommandType, Notice, NoticeRoute
from certline.models.audit.identity import Identity
from certline.models.commands.command import open_step
from certline.models.database.base import new_id
from certline.models.notices.kind import Severity
from certline.models.notices.news import DIGEST
from certline.models.notices.notice import tell_route
from certline.models.notices.route import route_named
from certline.producers.notices.routes import add_route, remove_route, send_test
from tests.faults.crashes.runner import kill_workers
from tests.faults.harness.scenario import Stage
from tests.faults.stories.requests import type_twice
from tests.unit.scm.odd_server import OddServer, http

WHO = Identity("os:test")


class Reader:
    """Somebody who is told things by HTTP, by a route for each."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.server = OddServer([http("204 No Content")])
        self.commands: list[Command] = []

    def add(self) -> NoticeRoute:
        """Add a route of a name of its own."""
        return add_route(
            self.stage.plant.database,
            self.stage.plant.vault,
            new_id().lower(),
            self.server.url.replace("http://", "json://"),
            ["auto_renew.failed"],
            severity=Severity.INFO,
            digest=True,
            at_most=None,
            who=WHO,
        ).route

    def tell(self) -> Command:
        """Store a notice for a route of its own. Returns the command that sends it."""
        route = self.add()
        with self.stage.plant.database.transaction() as db:
            facts = {"title": route.name, "text": "A story."}
            tell_route(db, route, DIGEST, new_id(), facts)
            command = open_step(db, CommandType.NOTIFY, route.id)
        assert command is not None
        self.commands.append(command)
        return command

    def test(self) -> Command:
        """Ask for a test message of a route of its own."""
        command = send_test(self.stage.plant.database, self.add().name, who=WHO)
        self.commands.append(command)
        return command

    def read_all(self) -> None:
        """Check that everything was told. What was under way may be told again: time is made to pass here."""
        for each in self.commands:
            assert self.stage.is_done(each), f"{each} was not taken"
        database = self.stage.plant.database
        with database.transaction() as db:
            unsent = db.scalars(select(Notice.id).where(Notice.sent_at.is_(None))).all()
            names = db.scalars(select(NoticeRoute.name)).all()
        assert unsent == []
        texts = [seen.body.decode() for seen in self.server.seen]
        for name in names:
            assert any(name in text for text in texts), name
            remove_route(database, name, who=WHO)


@contextmanager
def reading(stage: Stage) -> Iterator[Reader]:
    """Yield a reader who has been told everything at the end."""
    reader = Reader(stage)
    with reader.server:
        yield reader
        reader.read_all()


def a_notice(stage: Stage, points: Sequence[str]) -> None:
    """Send a notice; if its worker dies before it is stored as sent, it is sent again."""
    with reading(stage) as reader:
        kill_workers(stage, points, [reader.tell() for _ in points])


def a_route_is_tested(stage: Stage, points: Sequence[str]) -> None:
    """Send a test message; if its worker dies, it is sent again."""
    with reading(stage) as reader:
        kill_workers(stage, points, [reader.test() for _ in points])


def a_route_is_added(stage: Stage, points: Sequence[str]) -> None:
    """Kill `notify add`; typed again, the route exists once."""
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("json://127.0.0.1:1/\n")
        file.flush()
        for point in points:
            name = new_id().lower()
            words = ("notify", "add", name, "--url-file", file.name, "--on", "dead_letter")
            type_twice(stage, point, *words)
            assert remove_route(stage.plant.database, name, who=WHO) == 0


def a_route_is_removed(stage: Stage, points: Sequence[str]) -> None:
    """Kill `notify remove`."""
    with reading(stage) as reader:
        for point in points:
            name = reader.add().name
            type_twice(stage, point, "notify", "remove", name)
            with stage.plant.database.transaction() as db:
                assert route_named(db, name) is None


def a_route_is_tried_again(stage: Stage, points: Sequence[str]) -> None:
    """Kill `notify retry`."""
    with reading(stage) as reader:
        for point in points:
            command = reader.tell()
            with stage.plant.database.transaction() as db:
                name = db.get_one(NoticeRoute, str(command.subject)).name
            type_twice(stage, point, "notify", "retry", name)
