"""HTTP endpoints `/healthz` and `/metrics` of the long-running processes, on `CERTLINE_METRICS_PORT`."""

import socket
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests
import structlog
from dramatiq import Broker, Worker
from dramatiq.middleware import Middleware
from sqlalchemy.exc import SQLAlchemyError

from certline.models import Database
from certline.models.metrics import figures
from certline.models.settings import Settings

log = structlog.get_logger()

# Returns the reason why the process is unhealthy, or None.
Check = Callable[[], str | None]


class _Server(ThreadingHTTPServer):
    """HTTP server of IPv4 or IPv6; `shares_port`: with the other worker processes of `--processes N`."""

    daemon_threads = True

    def __init__(self, host: str, port: int, handler: type, *, shares_port: bool) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # Each probe then reaches any of the processes, so that none is left out.
        self.allow_reuse_port = shares_port
        super().__init__((host, port), handler)


def serve_health(
    settings: Settings, check: Check, database: Database, *, shares_port: bool = False
) -> None:
    """Serve the endpoints on the port of the settings, in a daemon thread, until the process ends.

    A port that can't be had is logged: the process works without the endpoints.
    """
    host, port = settings.metrics_host, settings.metrics_port
    if port is None:
        return

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/healthz":
                fault = check()
                self._answer(503 if fault else 200, f"{fault or 'ok'}\n")
            elif self.path == "/metrics":
                self._answer(*_metrics(database))
            else:
                self._answer(404, "there are /healthz and /metrics\n")

        def _answer(self, status: int, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
            """Log nothing: probes arrive every few seconds."""

    try:
        server = _Server(host, port, Handler, shares_port=shares_port)
    except OSError as error:
        log.warning(
            "health.not_served",
            host=host,
            port=port,
            error=str(error),
            advice="give each part of one machine a CERTLINE_METRICS_PORT of its own",
        )
        return
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()


class WorkerHealth(Middleware):
    """Middleware that serves a worker's health: all its threads alive, all its queues connected."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        """Start serving once the worker's threads run."""
        serve_health(self._settings, lambda: fault_of(worker), self._database, shares_port=True)


def fault_below(host: str, ports: Sequence[int]) -> str | None:
    """Return why one of the parts that serve their health on these ports of this machine is unhealthy, or None."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # compared, not bound
    shown = f"[{here}]" if ":" in here else here
    for port in ports:
        url = f"http://{shown}:{port}/healthz"
        try:
            answer = requests.get(url, timeout=2, proxies={"http": ""})
        except requests.RequestException as error:
            return f"the part on port {port} does not answer ({type(error).__name__})"
        if answer.status_code != 200:
            return f"port {port}: {answer.text.strip()}"
    return None


def fault_of(worker: Worker) -> str | None:
    """Return why a worker is unhealthy, or None. A dead thread takes no messages while the process lives on."""
    dead = sum(not thread.is_alive() for thread in worker.workers)
    if dead:
        return f"{dead} worker threads have died"
    # A copy: Dramatiq adds consumers from another thread.
    for queue, thread in list(worker.consumers.items()):
        if not thread.is_alive():
            return f"the consumer of {queue} has died"
        if thread.consumer is None:
            return f"{queue} is not connected"
    return None


def _metrics(database: Database) -> tuple[int, str]:
    try:
        with database.transaction() as db:
            found = figures(db)
    except SQLAlchemyError:
        log.exception("metrics.failed")
        return 503, "the database does not answer\n"
    return 200, "".join(f"{name} {value:g}\n" for name, value in found.items())
