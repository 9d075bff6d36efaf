# ruff: noqa: D102 -- the methods of a server are documented once, in its base class
"""One RabbitMQ server for all test processes of a parallel run; the process that started them owns it."""

import json
import os
import socket
import socketserver
import threading
from collections.abc import Callable

from tests.servers import session
from tests.servers.rabbit_server import RabbitServer

# Environment variable of the test processes: the socket of the process that owns the server.
SOCKET = "CERTLINE_TEST_RABBITMQ_SOCKET"
# A server takes up to 90 seconds to start, and `rabbitmqctl` up to 60.
SECONDS_TO_ANSWER = 180


class RabbitOwner(socketserver.ThreadingUnixStreamServer):
    """Starts the server for the first test process that needs it, and runs `rabbitmqctl` for all of them."""

    daemon_threads = True

    def __init__(self, start: Callable[[], RabbitServer]) -> None:
        """Listen; `start` is called once, when the first process asks."""
        self.path = session.folder() / "rabbitmq.socket"
        super().__init__(str(self.path), _Request)
        self._start = start
        self._starting = threading.Lock()
        self._server: RabbitServer | None = None
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def rabbitmq(self) -> RabbitServer:
        """The server, started if it is not running yet."""
        with self._starting:
            if self._server is None:
                self._server = self._start()
            return self._server

    def close(self) -> None:
        """Stop listening, and stop the server if it was started."""
        self.shutdown()
        self.server_close()
        self.path.unlink(missing_ok=True)
        with self._starting:
            if self._server is not None:
                self._server.close()
                self._server = None


class _Request(socketserver.StreamRequestHandler):
    """A list of arguments for `rabbitmqctl` as JSON, or null for the URL alone."""

    server: RabbitOwner

    def handle(self) -> None:
        words = json.loads(self.rfile.readline())
        try:
            rabbitmq = self.server.rabbitmq
            answer = {"url": rabbitmq.url, "output": rabbitmq.ctl(*words) if words else ""}
        except Exception as error:  # noqa: BLE001 -- raised again in the process that asked
            answer = {"error": f"{type(error).__name__}: {error}"}
        self.wfile.write(json.dumps(answer).encode() + b"\n")


class SharedRabbit(RabbitServer):
    """The server of a run, as seen by one of its test processes: used, never stopped."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.url = self._ask(None)["url"]

    def start(self) -> None:
        raise RuntimeError(_NOT_OURS)

    def stop(self) -> None:
        raise RuntimeError(_NOT_OURS)

    def kill(self) -> None:
        raise RuntimeError(_NOT_OURS)

    def close(self) -> None:
        """Leave the server running for the other processes."""

    def ctl(self, *args: str) -> str:
        return self._ask(args)["output"]

    def _ask(self, words: tuple[str, ...] | None) -> dict[str, str]:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(SECONDS_TO_ANSWER)
            client.connect(self.path)
            client.sendall(json.dumps(words).encode() + b"\n")
            text = client.makefile("r").readline()
        answer: dict[str, str] = json.loads(text or '{"error": "the run has ended"}')
        if "error" in answer:
            raise ChildProcessError(answer["error"])
        return answer


def shared() -> str | None:
    """Return the socket of the process that owns the server of this run; None if this process runs alone."""
    return os.environ.get(SOCKET)


_NOT_OURS = "All test processes share this server; tests that stop one take `private_rabbitmq`."
