"""A RabbitMQ for tests, which some tests stop, kill and start again; wherever it runs."""

import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pika
from pika.exceptions import AMQPError

from tests.servers import run


class RabbitServer(ABC):
    """A running server; `url` is that of its default vhost."""

    url: str

    @abstractmethod
    def start(self) -> None:
        """Start it; it answers when this returns."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it as an administrator would; what is durable stays."""

    @abstractmethod
    def kill(self) -> None:
        """SIGKILL."""

    @abstractmethod
    def close(self) -> None:
        """The end: nothing is left of it."""

    @abstractmethod
    def ctl(self, *args: str) -> str:
        """Run `rabbitmqctl`; answers what it wrote."""

    def define(self, file: Path) -> None:
        """Import definitions as operators do: users, permissions, exchanges, policies."""
        self.ctl("import_definitions", str(file))

    def restart(self, *, immediate: bool = True) -> None:
        """Kill (or stop) and start; the address stays."""
        if immediate:
            self.kill()
        else:
            self.stop()
        self.start()

    def keep_declarations(self) -> None:
        """Have queues, exchanges and vhosts written to disk now.

        RabbitMQ keeps new ones in memory for a moment; a kill in it loses even a durable queue.
        """
        self.ctl("eval", "mnesia:sync_log().")

    @contextmanager
    def vhost(self) -> Iterator[str]:
        """The address of a vhost of its own; deleted after."""
        name = run.name()
        self.add_vhost(name)
        try:
            yield self.url_of(name)
        finally:
            self.delete_vhost(name)

    def add_vhost(self, name: str) -> None:
        """Make a vhost in which our user may do everything."""
        self.ctl("add_vhost", name)
        self.ctl("set_permissions", "-p", name, self.user, ".*", ".*", ".*")

    def delete_vhost(self, name: str) -> None:
        """Delete it with all its queues."""
        with suppress(ChildProcessError):  # the test has stopped the server for good
            self.ctl("delete_vhost", name)

    @property
    def user(self) -> str:
        """Who we log in as."""
        return unquote(urlsplit(self.url).username or "guest")

    def url_of(self, vhost: str) -> str:
        """The address of another vhost of this server."""
        return urlsplit(self.url)._replace(path=f"/{quote(vhost, safe='')}").geturl()

    def is_ready(self) -> bool:
        """Whether a client can log in."""
        return can_connect(self.url)


def can_connect(url: str) -> bool:
    """Whether a client can log in at the address."""
    parameters = pika.URLParameters(url)
    parameters.connection_attempts = 1
    parameters.socket_timeout = parameters.stack_timeout = 5
    parameters.blocked_connection_timeout = 5
    try:
        pika.BlockingConnection(parameters).close()
    except (AMQPError, OSError):
        return False
    return True


def rabbitmqctl(program: str, *words: str, env: dict[str, str] | None = None) -> str:
    """Run that `rabbitmqctl`; answers what it wrote."""
    args = [program, "-q", *words]
    ended = subprocess.run(
        args, env=os.environ | (env or {}), capture_output=True, text=True, check=False, timeout=60
    )
    if ended.returncode:
        raise ChildProcessError(f"{' '.join(args)} ended with {ended.returncode}: {ended.stderr}")
    return ended.stdout
