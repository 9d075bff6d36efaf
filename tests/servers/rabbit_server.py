"""The interface of a RabbitMQ server for tests, some of which stop, kill and restart it."""

import json
import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pika
from pika.exceptions import AMQPError

from tests.servers import session


class RabbitServer(ABC):
    """A running server; `url` is the address of its default vhost."""

    url: str

    @abstractmethod
    def start(self) -> None:
        """Start the server, and return once it accepts connections."""

    @abstractmethod
    def stop(self) -> None:
        """Stop the server as an administrator would; durable queues and messages are kept."""

    @abstractmethod
    def kill(self) -> None:
        """Send SIGKILL to the server."""

    @abstractmethod
    def close(self) -> None:
        """Stop the server and remove everything of it."""

    @abstractmethod
    def ctl(self, *args: str) -> str:
        """Run `rabbitmqctl` and return its output. Raises ChildProcessError if it fails."""

    def define(self, file: Path) -> None:
        """Import definitions as operators do: users, permissions, exchanges, policies."""
        self.ctl("import_definitions", str(file))

    def restart(self, *, immediate: bool = True) -> None:
        """Kill (or stop) and start the server; its address stays the same."""
        if immediate:
            self.kill()
        else:
            self.stop()
        self.start()

    def keep_declarations(self) -> None:
        """Make RabbitMQ write new queues, exchanges and vhosts to disk now.

        It keeps them in memory for a moment, and a kill within that moment loses even a durable queue.
        """
        self.ctl("eval", "mnesia:sync_log().")

    @contextmanager
    def vhost(self) -> Iterator[str]:
        """Yield the URL of a new vhost; it is deleted afterwards."""
        name = session.name()
        self.add_vhost(name)
        try:
            yield self.url_of(name)
        finally:
            self.delete_vhost(name)

    def add_vhost(self, name: str) -> None:
        """Create a vhost in which our user may do everything."""
        # One `rabbitmqctl` instead of two: each starts an Erlang machine, which takes most of a second.
        vhost, user, everything = map(_binary, (name, self.user, ".*"))
        rights = ", ".join([user, vhost, *[everything] * 3, user])
        self.ctl(
            "eval",
            f"ok = rabbit_vhost:add({vhost}, {user}), "
            f"ok = rabbit_auth_backend_internal:set_permissions({rights}).",
        )

    def delete_vhost(self, name: str) -> None:
        """Delete a vhost with all its queues."""
        with suppress(ChildProcessError):  # the test has stopped the server
            self.ctl("delete_vhost", name)

    @property
    def user(self) -> str:
        """The user that we log in as."""
        return unquote(urlsplit(self.url).username or "guest")

    def url_of(self, vhost: str) -> str:
        """Return the URL of another vhost of this server."""
        return urlsplit(self.url)._replace(path=f"/{quote(vhost, safe='')}").geturl()

    def is_ready(self) -> bool:
        """Return True if a client can log in."""
        return can_connect(self.url)


def can_connect(url: str) -> bool:
    """Return True if a client can log in at this URL within a few seconds."""
    parameters = pika.URLParameters(url)
    parameters.connection_attempts = 1
    parameters.socket_timeout = parameters.stack_timeout = 5
    parameters.blocked_connection_timeout = 5
    try:
        pika.BlockingConnection(parameters).close()
    except (AMQPError, OSError):
        return False
    return True


def _binary(text: str) -> str:
    """Return the text as a binary of Erlang."""
    return f"<<{json.dumps(text)}>>"


def rabbitmqctl(program: str, *words: str, env: dict[str, str] | None = None) -> str:
    """Run this `rabbitmqctl` program and return its output. Raises ChildProcessError if it fails."""
    args = [program, "-q", *words]
    ended = subprocess.run(
        args, env=os.environ | (env or {}), capture_output=True, text=True, check=False, timeout=60
    )
    if ended.returncode:
        raise ChildProcessError(f"{' '.join(args)} ended with {ended.returncode}: {ended.stderr}")
    return ended.stdout
