"""HTTP endpoints `/healthz` and `/metrics` of the long-running processes, on `CERTLINE_METRICS_PORT`."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import structlog
from dramatiq import Broker, Worker
from dramatiq.middleware import Middleware
from sqlalchemy.exc import SQLAlchemyError

from certline.models import Database
from certline.models.metrics import figures

log = structlog.get_logger()

# Returns the reason why the process is unhealthy, or None.
Check = Callable[[], str | None]


def serve_health(port: int, check: Check, database: Database) -> None:
    """Serve the endpoints in a daemon thread until the process ends.

    If the port is in use (by another worker process of the same container), that process serves them alone.
    """

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
        # All interfaces, because the prober is outside the container. The responses hold no secrets.
        server = ThreadingHTTPServer(("0.0.0.0", port), Handler)  # noqa: S104
    except OSError as error:
        log.info("health.port_taken", port=port, error=str(error))
        return
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()


class WorkerHealth(Middleware):
    """Middleware that serves a worker's health: all its threads alive, all its queues connected."""

    def __init__(self, port: int, database: Database) -> None:
        self._port = port
        self._database = database

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        """Start serving once the worker's threads run."""
        serve_health(self._port, lambda: fault_of(worker), self._database)


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
