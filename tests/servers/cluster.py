# ruff: noqa: D102 -- the methods of a server are documented once, in its base class
"""A RabbitMQ cluster of three nodes started from a local installation."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.servers import session
from tests.servers.discovery import MissingServerError, Server, program
from tests.servers.local_rabbit import LocalRabbit
from tests.servers.process import Process, until

NODES = 3
# What production sets too (docs/rabbitmq.md).
CONFIGURATION = Path(__file__).parents[2] / "deploy" / "rabbitmq" / "cluster.conf"


class ClusterNode(LocalRabbit):
    """A node of a cluster."""

    def __init__(self, program: Path, mapper: int, cookie: str) -> None:
        self._prepare(program, mapper=mapper, cookie=cookie)

    def configure(self, nodes: list[str], more: str) -> None:
        """Write the configuration: production's, the names of all nodes, and what a test adds."""
        lines = ["cluster_formation.peer_discovery_backend = classic_config"]
        lines += [
            f"cluster_formation.classic_config.nodes.{number} = {name}"
            for number, name in enumerate(nodes, start=1)
        ]
        text = "\n".join([CONFIGURATION.read_text(), more, *lines, ""])
        (self.folder / "rabbitmq.conf").write_text(text)

    @property
    def output(self) -> str:
        """What the node has logged."""
        return "" if self.process is None else self.process.output

    def freeze(self) -> None:
        """Stop the node (SIGSTOP): its connections stay open, and nothing answers."""
        assert self.process is not None
        self.process.freeze()

    def thaw(self) -> None:
        """Let the node go on."""
        assert self.process is not None
        self.process.thaw()


class RabbitCluster(ClusterNode):
    """Three nodes that share queues; its own address and control are those of the first node.

    `urls`: the addresses of a vhost at all nodes, as `CERTLINE_RABBITMQ_URL` has them.
    """

    def __init__(self, program: Path, more: str = "") -> None:
        """Start the nodes; `more`: lines of configuration besides production's."""
        mapper, cookie = session.free_port(), secrets.token_hex(10)
        super().__init__(program, mapper, cookie)
        others = [ClusterNode(program, mapper, cookie) for _ in range(NODES - 1)]
        self.nodes: list[ClusterNode] = [self, *others]
        if shutil.which("epmd"):
            self.mapper = Process(["epmd"], self.env)
        names = [node.node for node in self.nodes]
        for node in self.nodes:
            node.configure(names, more)
            node.launch()
        for node in self.nodes:
            node.until_up()
        until(lambda: self.running() == NODES, 60, every=0.5)

    def urls(self, vhost: str) -> str:
        return ";".join(node.url_of(vhost) for node in self.nodes)

    def running(self, seen_by: int = 0) -> int:
        """Return how many nodes run, as one of them sees it."""
        said = self.nodes[seen_by].ctl(
            "eval", "length([N || N <- [node() | nodes()], rabbit:is_running(N)])."
        )
        return int(said)

    def leader(self, vhost: str, queue: str) -> int:
        """Return the number of the node that leads a quorum queue."""
        for node in self.nodes:
            with suppress(ChildProcessError):
                said = node.ctl("list_queues", "--vhost", vhost, "name", "leader")
                leader = dict(line.split("\t") for line in said.splitlines() if "\t" in line)[queue]
                return [each.node for each in self.nodes].index(leader)
        raise ChildProcessError(f"no node knows the leader of {queue}")

    def cut_off(self, number: int) -> None:
        """Cut one node off from the two others, in both directions; its clients still reach it.

        Its cookie for them becomes a wrong one, so that no connection between them can be made.
        """
        others = [node.node for node in self.nodes if node is not self.nodes[number]]
        each = "".join(
            f"erlang:set_cookie('{name}', cut), erlang:disconnect_node('{name}'), "
            for name in others
        )
        self.nodes[number].ctl("eval", f"spawn(fun() -> {each} ok end), ok.")

    def join_again(self, number: int) -> None:
        """Join a node that was cut off to the others again."""
        node = self.nodes[number]
        cookie = (node.folder / ".erlang.cookie").read_text()
        each = "".join(
            f"erlang:set_cookie('{other.node}', '{cookie}'), net_kernel:connect_node('{other.node}'), "
            for other in self.nodes
            if other is not node
        )
        node.ctl("eval", f"{each} ok.")

    def close(self) -> None:
        for node in self.nodes:
            with suppress(AssertionError):
                node.thaw()
            node.kill()
            if node is not self:
                shutil.rmtree(node.folder, ignore_errors=True)
        super().close()


@contextmanager
def open_cluster(more: str = "") -> Iterator[RabbitCluster]:
    """Yield a new cluster. Raises MissingServerError without a local installation of RabbitMQ."""
    found = program(Server.RABBITMQ)
    if found is None:
        raise MissingServerError(
            "A cluster needs RabbitMQ installed: apt-get install rabbitmq-server"
        )
    cluster = RabbitCluster(found, more)
    try:
        yield cluster
    finally:
        cluster.close()
