"""A line of two versions: parts of the last release and of this version, on one database and one vhost."""

import random
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum

from sqlalchemy import func, select

from certline.models import Command
from certline.models.commands.command import OPEN
from certline.simulator.server import Simulator
from tests.faults.harness.scenario import Stage
from tests.faults.harness.subscriber import Ear
from tests.faults.random.kills import MOST_OPEN, mixed_commands
from tests.servers import Process, session, until
from tests.support.deployment import Plant
from tests.support.forkserver import Part, nursery
from tests.support.last_release import Installed

PARTS = {
    "worker": ("worker", "--processes", "1", "--threads", "2"),
    "relay": ("relay",),
    "ingress": ("ingress",),
    "producer": ("producer",),
}
# Orders that are placed before the upgrade, with the command line of the last release.
EARLIER = 4


class Version(StrEnum):
    """One of the two versions."""

    LAST = "the last release"
    THIS = "this version"


class TwoVersions:
    """A line that the last release has begun, and whose tables this version migrates while it works."""

    def __init__(self, last: Installed, plant: Plant, vhost: str, simulator: Simulator) -> None:
        """Let the last release make its tables and work alone; its first orders are under way afterwards."""
        self.last = last
        self.plant = plant
        self.asked: Counter[str] = Counter()
        self._running: dict[tuple[Version, str], Part | Process] = {}
        self._ports: dict[int, int] = {}
        self._type("init")
        ear = Ear(vhost)
        for name in PARTS:
            self._running[Version.LAST, name] = self._start_last(name)
        words = ("--url", simulator.url, "--customer-uri", "demo", "--login", "admin")
        self._type("account", "add", "demo", *words, given="secret\n")
        self._type("sync", "--wait")
        self._earlier = [f"earlier{number}.nordhafen.example" for number in range(EARLIER)]
        for name in self._earlier:
            self._order(name)
        self.plant.certline("init")
        self.stage = Stage(nursery(), plant, vhost, simulator, ear=ear)
        self.stage.put_off_sync()
        self.stage.names += self._earlier
        for (_, name), part in self._running.items():
            assert isinstance(part, Process)
            self.stage.add(name, part, self._ports[part.pid])

    def _type(self, *words: str, given: str = "") -> None:
        """Type a command of the last release."""
        self.last.type(*words, environment=self.plant.environment, given=given)

    def _order(self, name: str) -> None:
        """Place an order with the command line of the last release."""
        self._type(
            *("order", "create", "--common-name", name, "--organization", "Nordhafen University"),
            *("--profile", "OV Multi-Domain SSL", "--term", "90"),
            *("--key-algorithm", "EC", "--key-size", "P-256"),
        )

    def _start_last(self, name: str) -> Process:
        port = session.free_port()
        variables = {**self.plant.environment, "CERTLINE_METRICS_PORT": str(port)}
        part = self.last.start("run", *PARTS[name], environment=variables)
        self._ports[part.pid] = port
        return part

    def start(self, version: Version, name: str) -> None:
        """Start a part of a version."""
        if version is Version.THIS:
            self._running[version, name] = self.stage.start(*PARTS[name])
            return
        part = self._start_last(name)
        self._running[version, name] = part
        self.stage.add(name, part, self._ports[part.pid])

    def kill(self, version: Version, name: str) -> None:
        """Kill the part of a version (SIGKILL), and start it again at once."""
        self.stage.kill(self._running.pop((version, name)))
        self.start(version, name)

    def run_only(self, wanted: Mapping[Version, Collection[str]]) -> None:
        """Stop the other parts as an upgrade does (SIGTERM), start the missing ones, and wait until all are well.

        Every schedule is due then, and fired by whichever producer runs.
        """
        both = {(version, name) for version, names in wanted.items() for name in names}
        for each in self._running.keys() - both:
            part = self._running.pop(each)
            assert part.terminate() == 0, part.output[-3000:]
            self.stage.kill(part)
        for version, name in sorted(both - self._running.keys()):
            self.start(version, name)
        self.stage.until_well()
        self.stage.make_schedules_due()

    def let_time_pass(self) -> None:
        """Let an hour pass, with all parts stopped: orders with an unknown outcome are looked up after it."""
        self.run_only({})
        self.stage.age()

    def ask(self, count: int) -> None:
        """Send so many mixed commands, as fast as the line takes them."""
        for _ in range(count):
            until(lambda: self.stage.open_orders() < MOST_OPEN, 120, every=0.05)
            next(self._asking)

    def settle(self) -> None:
        """Wait until every order is final and nothing is due: what runs has done all that was asked."""

        def settled() -> bool:
            if not self.stage.open_orders() and not any(self._due()):
                return True
            self.stage.hasten()
            return False

        until(settled, 180, every=0.3)

    def begin(self, seed: int, commands: int) -> None:
        """Prepare that many mixed commands."""
        chance = random.Random(seed)  # noqa: S311  # reproducible on purpose
        self._asking = mixed_commands(self.stage, chance, commands, self.asked)

    def _due(self) -> Iterator[str]:
        with self.plant.database.transaction() as db:
            due = Command.status.in_(OPEN), Command.not_before <= func.now()
            yield from db.scalars(select(Command.id).where(*due))
