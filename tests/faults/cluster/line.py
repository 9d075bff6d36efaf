"""A line on a RabbitMQ cluster: two workers, relay, ingress and producer, and mixed commands for them."""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import unquote, urlsplit

import requests

from certline.models import Queue
from certline.simulator.server import Simulator
from tests.faults.cluster.connections import seconds_to_find
from tests.faults.harness.scenario import Stage
from tests.faults.random.kills import MOST_OPEN, mixed_commands
from tests.servers import until
from tests.servers.cluster import RabbitCluster
from tests.support.deployment import Plant
from tests.support.forkserver import Part, nursery

# Connections that a part needs: a worker two for each queue (with its delayed messages).
NEEDED = {"worker": 2 * len(Queue), "relay": 1, "ingress": 1}
WORKER = ("worker", "--processes", "1", "--threads", "2")


class ClusteredLine:
    """A stage whose RabbitMQ is a cluster. `found`: the seconds in which parts have found another node."""

    def __init__(self, stage: Stage, cluster: RabbitCluster, vhost: str) -> None:
        self.stage = stage
        self.cluster = cluster
        self.vhost = vhost
        self.asked: Counter[str] = Counter()
        self.found: list[dict[str, float]] = []
        self._parts: dict[str, tuple[Part, int]] = {}
        for words in (WORKER, WORKER, ("relay",), ("ingress",), ("producer",)):
            part = stage.start(*words)
            if words[0] in NEEDED:
                self._parts[f"{words[0]} {part.pid}"] = (part, NEEDED[words[0]])

    def begin(self, seed: int, commands: int) -> None:
        """Have certificates stored, and prepare that many mixed commands."""
        self.stage.until_well()
        for _ in range(max(6, commands // 10)):
            self.stage.place()
        until(lambda: not self.stage.open_orders(), 120, every=0.1)
        chance = random.Random(seed)  # noqa: S311  # reproducible on purpose
        self._asking = mixed_commands(self.stage, chance, commands, self.asked)

    def ask(self, count: int) -> None:
        """Send so many commands, as fast as the line takes them."""
        for _ in range(count):
            until(lambda: self.stage.open_orders() < MOST_OPEN, 120, every=0.05)
            if next(self._asking, None) is None:
                return

    def measure(self, dead: int, begun: float) -> None:
        """Measure in how many seconds all parts have found other nodes than this one."""
        ports = [urlsplit(node.url).port or 0 for node in self.cluster.nodes]
        alive = [port for number, port in enumerate(ports) if number != dead]
        self.found.append(seconds_to_find(self._parts, [ports[dead]], alive, begun))

    def slowest(self) -> float:
        """Return the seconds of the slowest part."""
        return max(max(each.values()) for each in self.found)

    def parts(self, *names: str) -> list[Part]:
        """Return the processes of these names."""
        return [part for name, (part, _) in self._parts.items() if name.split()[0] in names]

    def leader(self) -> int:
        """Return the number of the node that leads the queue of orders."""
        return self.cluster.leader(self.vhost, Queue.ORDER)

    def ended(self) -> list[str]:
        """Return the parts that have ended."""
        return [name for name, (part, _) in self._parts.items() if part.exit_code is not None]


@contextmanager
def line_on(
    cluster: RabbitCluster, database_url: str, simulator: Simulator
) -> Iterator[ClusteredLine]:
    """Yield a line on a vhost of its own."""
    requests.post(f"{simulator.door}/settings", json={"issue_after_ms": 50}, timeout=30)
    with ExitStack() as stack:
        name = unquote(urlsplit(stack.enter_context(cluster.vhost())).path.removeprefix("/"))
        urls = cluster.urls(name)
        plant = stack.enter_context(Plant(database_url, urls, CERTLINE_QUEUE_TYPE="quorum"))
        stage = Stage(nursery(), plant, urls, simulator)
        stack.callback(stage.stop_parts)
        stage.add_account()
        yield ClusteredLine(stage, cluster, name)
