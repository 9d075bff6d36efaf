# ruff: noqa: D102 -- the methods of a server are documented once, in its base class
"""A RabbitMQ in a container."""

import base64
import secrets
from pathlib import Path

from tests.servers.container import Container
from tests.servers.process import until
from tests.servers.rabbit_server import RabbitServer


class ContainerRabbit(RabbitServer):
    """A server in a container."""

    def __init__(self, image: str) -> None:
        password = secrets.token_hex(8)
        self.container = Container(
            image, 5672, {"RABBITMQ_DEFAULT_USER": "tests", "RABBITMQ_DEFAULT_PASS": password}
        )
        self.url = f"amqp://tests:{password}@{self.container.host}:{self.container.outside}/%2F"
        until(self.is_ready, 90)

    def start(self) -> None:
        self.container.start()
        until(self.is_ready, 90)

    def stop(self) -> None:
        self.container.stop("SIGTERM")

    def kill(self) -> None:
        self.container.kill()

    def close(self) -> None:
        self.container.close()

    def ctl(self, *args: str) -> str:
        return self.container.run("rabbitmqctl", "-q", *args)

    def define(self, file: Path) -> None:
        # The container can't see the host's file, so its text is passed in the command. RabbitMQ 3.10 does not
        # read definitions from standard input.
        text = base64.b64encode(file.read_bytes()).decode()
        copy = "/tmp/definitions.json"  # noqa: S108  # in the container
        self.container.run(
            "sh",
            "-c",
            f"echo {text} | base64 -d > {copy} && rabbitmqctl -q import_definitions {copy}",
        )
