# ruff: noqa: D102 -- what the methods of a server do is said once, in its base class
"""A RabbitMQ for tests, which some tests stop, kill and start again."""

import base64
import http.client
import json
import os
import secrets
import shutil
import subprocess
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pika
from pika.exceptions import AMQPError

from tests.servers import run
from tests.servers.container import Container
from tests.servers.finding import Found, Origin, Server, find, this_machine
from tests.servers.process import Process, until

MANAGEMENT_PORT = 15672


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
        return unquote(urlsplit(self.url).username or "guest")

    def url_of(self, vhost: str) -> str:
        """The address of another vhost of this server."""
        return urlsplit(self.url)._replace(path=f"/{quote(vhost, safe='')}").geturl()

    def is_ready(self) -> bool:
        """Whether a client can log in."""
        return can_connect(self.url)


class GivenRabbit(RabbitServer):
    """A server that somebody else runs: used, never stopped.

    Vhosts are made with `rabbitmqctl` where that turns out to speak to the same server, else over the
    management API on its usual port; else the given vhost is all there is. A killed run leaves its
    vhosts (`certline_test_…`) behind.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        if not self.is_ready():
            raise ConnectionError(f"No RabbitMQ answers at {urlsplit(url).hostname}.")
        ways = (self._by_ctl, self._by_management)
        self.way = next((way for way in ways if self._works(way)), None)

    def start(self) -> None:
        raise RuntimeError(_NOT_OURS)

    def stop(self) -> None:
        raise RuntimeError(_NOT_OURS)

    def kill(self) -> None:
        raise RuntimeError(_NOT_OURS)

    def close(self) -> None:
        """Nothing is ours."""

    def ctl(self, *args: str) -> str:
        program = shutil.which("rabbitmqctl", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            raise ChildProcessError("There is no rabbitmqctl here.")
        return _run([program, "-q", *args])

    @contextmanager
    def vhost(self) -> Iterator[str]:
        if self.way is None:
            warnings.warn(_ONE_VHOST, stacklevel=3)
            yield self.url
            return
        with super().vhost() as url:
            yield url

    def add_vhost(self, name: str) -> None:
        if self.way:
            self.way("add", name)

    def delete_vhost(self, name: str) -> None:
        if self.way:
            self.way("delete", name)

    def _works(self, way: object) -> bool:
        """A way works when a client can log in to a vhost that was made by it."""
        name = run.name()
        try:
            way("add", name)  # type: ignore[operator]
            worked = can_connect(self.url_of(name))
            way("delete", name)  # type: ignore[operator]
        except (ChildProcessError, OSError, http.client.HTTPException):
            return False
        return worked

    def _by_ctl(self, action: str, name: str) -> None:
        if action == "add":
            super().add_vhost(name)
        else:
            super().delete_vhost(name)

    def _by_management(self, action: str, name: str) -> None:
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        if action == "add":
            self._manage("PUT", f"/api/vhosts/{name}")
            self._manage("PUT", f"/api/permissions/{name}/{quote(self.user, safe='')}", everything)
        else:
            self._manage("DELETE", f"/api/vhosts/{name}")

    def _manage(self, method: str, path: str, body: object = None) -> None:
        parts = urlsplit(self.url)
        login = f"{self.user}:{unquote(parts.password or 'guest')}".encode()
        headers = {
            "Authorization": f"Basic {base64.b64encode(login).decode()}",
            "Content-Type": "application/json",
        }
        connection = http.client.HTTPConnection(parts.hostname or "", MANAGEMENT_PORT, timeout=10)
        try:
            connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            if answer.status >= 300:
                raise ConnectionError(f"{method} {path} was answered by {answer.status}")
        finally:
            connection.close()


_NOT_OURS = "This server was given; tests that stop one take the fixture `private_rabbitmq`."
_ONE_VHOST = (
    "Neither rabbitmqctl nor the management API can make vhosts on the given RabbitMQ: "
    "all tests share the given vhost, and may meet each other's messages."
)


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
        # The file is not inside.
        text = base64.b64encode(file.read_bytes()).decode()
        pipe = f"echo {text} | base64 -d | rabbitmqctl -q import_definitions -"
        self.container.run("sh", "-c", pipe)


class LocalRabbit(RabbitServer):
    """A node of our own from programs on this machine, with its data in the run's folder.

    It has its own name, ports, cookie and port mapper (epmd), so it meets no other node.
    """

    def __init__(self, program: Path) -> None:
        self.program = program
        self.folder = run.subfolder("rabbitmq")
        port, distribution, mapper = run.free_port(), run.free_port(), run.free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{port}/%2F"
        self.env = {
            "HOME": str(self.folder),  # where Erlang keeps the cookie
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
            # Absent ones, so that the machine's are not read.
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "environment"),
            # Makes the script give way to the server instead of staying between it and us.
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
        return _run([str(beside), "-q", *args], self.env)


@contextmanager
def open_rabbitmq(*, private: bool = False) -> Iterator[RabbitServer]:
    """A server, from the best place there is; a private one is new and may be killed."""
    server = _start(find(Server.RABBITMQ, this_machine(), private=private))
    try:
        yield server
    finally:
        server.close()


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


def _start(found: Found) -> RabbitServer:
    match found.origin:
        case Origin.GIVEN:
            return GivenRabbit(found.where)
        case Origin.DOCKER:
            return ContainerRabbit(found.where)
        case Origin.LOCAL:
            return LocalRabbit(Path(found.where))


def _run(args: list[str], env: dict[str, str] | None = None) -> str:
    """Run a command; answers what it wrote."""
    ended = subprocess.run(
        args, env=os.environ | (env or {}), capture_output=True, text=True, check=False, timeout=60
    )
    if ended.returncode:
        raise ChildProcessError(f"{' '.join(args)} ended with {ended.returncode}: {ended.stderr}")
    return ended.stdout
