# ruff: noqa: D102 -- the methods of a server are documented once, in its base class
"""A RabbitMQ server started from a local installation."""

import shutil
from pathlib import Path

from tests.servers import session
from tests.servers.process import Process, until
from tests.servers.rabbit_server import RabbitServer, rabbitmqctl


class LocalRabbit(RabbitServer):
    """A node of our own, started from a local installation, with its data in the run's folder.

    It has its own name, ports, cookie and port mapper (epmd), so that it never connects to another node.
    """

    def __init__(self, program: Path) -> None:
        self.program = program
        self.folder = session.subfolder("rabbitmq")
        port, distribution, mapper = session.free_port(), session.free_port(), session.free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{port}/%2F"
        self.env = {
            "HOME": str(self.folder),  # where Erlang stores the cookie
            "ERL_EPMD_PORT": str(mapper),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"{self.folder.name}-{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
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
        self.mapper: Process | None = None
        if shutil.which("epmd"):  # else Erlang starts one as a daemon
            self.mapper = Process(["epmd"], self.env)
        self.process: Process | None = None
        self.start()

    def start(self) -> None:
        self.process = Process([self.program], self.env, cwd=self.folder)
        process = self.process

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
