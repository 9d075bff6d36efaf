# ruff: noqa: D102 -- the methods of a server are documented once, in its base class
"""A RabbitMQ server at a given address, not started by the tests."""

import base64
import http.client
import json
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, unquote, urlsplit

from tests.servers import session
from tests.servers.rabbit_server import RabbitServer, can_connect, rabbitmqctl

MANAGEMENT_PORT = 15672


class GivenRabbit(RabbitServer):
    """A server at a given address: used, never stopped.

    Vhosts are created with `rabbitmqctl` if that controls the same server, else with the management API on its
    default port; if neither works, all tests share the given vhost. A killed run leaves its vhosts
    (`certline_test_…`) behind.
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
        """Do nothing: the server is not ours."""

    def ctl(self, *args: str) -> str:
        program = shutil.which("rabbitmqctl", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            raise ChildProcessError("There is no rabbitmqctl here.")
        return rabbitmqctl(program, *args)

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
        """Return True if a client can log in to a vhost created in this way."""
        name = session.name()
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
