# ruff: noqa: D102 -- the methods of a server are documented once, in its base class
"""A RabbitMQ server started from a local installation."""

import shutil
from pathlib import Path

from tests.servers import session
from tests.servers.process import Process, until
from tests.servers.rabbit_server import RabbitServer, rabbitmqctl

LOOPBACK = "127.0.0.1"


class LocalRabbit(RabbitServer):
    """A node of our own, started from a local installation, with its data in the run's folder.

    It has its own name, ports, cookie and port mapper (epmd), so that it never connects to another node, unless
    it is one of a cluster (`cluster.py`).
    """

    mapper: Process | None = None
    process: Process | None = None

    def __init__(self, program: Path, address: str = LOOPBACK) -> None:
        """Start the node, whose clients find it at this address."""
        self._prepare(program, address=address)
        if shutil.which("epmd"):  # else Erlang starts one as a daemon
            self.mapper = Process(["epmd"], self.env)
        self.start()

    def _prepare(
        self, program: Path, *, mapper: int = 0, cookie: str = "", address: str = LOOPBACK
    ) -> None:
        """Make the node's folder and environment; `mapper` and `cookie` are those of its cluster."""
        self.program = program
        self.folder = session.subfolder("rabbitmq")
        port, distribution = session.free_port(), session.free_port()
        mapper = mapper or session.free_port()
        if cookie:
            file = self.folder / ".erlang.cookie"
            file.write_text(cookie)
            file.chmod(0o400)
        self.node = f"{self.folder.name}-{port}@localhost"
        self.url = f"amqp://guest:guest@{address}:{port}/%2F"
        self.env = {
            "HOME": str(self.folder),  # where Erlang stores the cookie
            "ERL_EPMD_PORT": str(mapper),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_NODE_IP_ADDRESS": address,
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            # Files that don't exist, so that the machine's own configuration is not read.
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "environment"),
            # Makes the script `exec` the server instead of staying its parent process.
            "RUNNING_UNDER_SYSTEMD": "true",
        }
        (self.folder / "plugins").write_text("[].\n")
        if address != LOOPBACK:  # elsewhere it refuses the user `guest`
            (self.folder / "rabbitmq.conf").write_text("loopback_users = none\n")

    def start(self) -> None:
        self.launch()
        self.until_up()

    def launch(self) -> None:
        """Start the server without waiting for it."""
        self.process = Process([self.program], self.env, cwd=self.folder)

    def until_up(self) -> None:
        """Wait until the server accepts connections. Raises ChildProcessError if it has ended."""
        process = self.process
        assert process is not None, "launch() comes first"

        def is_up() -> bool:
            if process.exit_code is not None:
                raise ChildProcessError(f"RabbitMQ did not start:\n{process.output}")
            return self.is_ready()

        until(is_up, 90)

    def stop(self) -> None:
        if self.process:
            self.process.terminate(60)

    def kill(self) -> None:
        if self.process:
            self.process.kill()

    def close(self) -> None:
        self.kill()
        if self.mapper:
            self.mapper.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ctl(self, *args: str) -> str:
        beside = self.program.with_name("rabbitmqctl")
        return rabbitmqctl(str(beside), *args, env=self.env)
