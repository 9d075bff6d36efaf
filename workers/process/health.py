"""HTTP endpoints of the long-running processes, on `CERTLINE_METRICS_PORT`.

`/livez` fails if only a restart helps; `/readyz` while the process cannot work, for example because a server is
away; `/healthz` if the process' own check fails, for whichever reason. `/metrics` is Prometheus'.
"""

from collections.abc import Callable, Sequence

import requests
import structlog
from dramatiq import Broker, Consumer, Worker
from dramatiq.middleware import Middleware

from certline.models.settings import Settings
from certline.workers.metrics.exposition import OPENMETRICS, Exposition
from certline.workers.process.health_server import Endpoint, HealthServer, ProbeAnswer, listen
from certline.workers.process.readiness import Check, Readiness

log = structlog.get_logger()


# Seconds for which an answer is kept: probes may come as often as they like. Readiness asks Postgres.
KEEP_HEALTH, KEEP_READINESS, KEEP_METRICS = 0.5, 2.0, 5.0


def serve_health(
    settings: Settings,
    check: Check,
    exposition: Exposition | None,
    *,
    live: Check | None = None,
    ready: Check | None = None,
    shares_port: bool = False,
) -> None:
    """Serve the endpoints on the port of the settings, in a daemon thread, until the process ends.

    `exposition`: the metrics; None: another process serves them. `live`: why only a restart would help; without
    it a process is live as long as it answers. `ready`: why the process cannot work now; `check` if not given.
    A port that can't be had is logged: the process works without the endpoints.
    """
    host, port = settings.metrics_host, settings.metrics_port
    if port is None:
        return

    try:
        listener = listen(host, port, shares_port=shares_port)
    except OSError as error:
        log.error(  # noqa: TRY400  # said
            "health.not_served",
            host=host,
            port=port,
            error=str(error),
            advice="give each part of one machine a CERTLINE_METRICS_PORT of its own",
        )
        return
    endpoints = {
        "/healthz": _probe(check, KEEP_HEALTH),
        "/livez": _probe(live or (lambda: None), KEEP_HEALTH),
        "/readyz": _probe(ready or check, KEEP_READINESS),
    }
    variants = {}
    if exposition is not None:
        endpoints["/metrics"] = _endpoint(exposition.as_text)
        variants["/metrics", OPENMETRICS] = _endpoint(exposition.as_openmetrics)
    HealthServer(listener, endpoints, variants).start()


class WorkerHealth(Middleware):
    """Middleware that serves a worker's health: all its threads alive, all its queues connected."""

    def __init__(self, settings: Settings, url: str, exposition: Exposition | None) -> None:
        self._settings = settings
        self._url = url
        self._exposition = exposition

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        """Start serving once the worker's threads run."""
        serve_health(
            self._settings,
            lambda: fault_of(worker),
            self._exposition,
            live=lambda: death_in(worker),
            ready=Readiness(self._url, lambda: fault_of(worker)).fault,
            shares_port=True,
        )


def fault_below(host: str, ports: Sequence[int], path: str = "/healthz") -> str | None:
    """Return why one of the parts that serve their health on these ports of this machine is unhealthy, or None.

    `path`: the endpoint that is asked.
    """
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # compared, not bound
    shown = f"[{here}]" if ":" in here else here
    for port in ports:
        url = f"http://{shown}:{port}{path}"
        try:
            answer = requests.get(url, timeout=2, proxies={"http": ""})
        except requests.RequestException as error:
            return f"the part on port {port} does not answer ({type(error).__name__})"
        if answer.status_code != 200:
            return f"port {port}: {answer.text.strip()}"
    return None


def fault_of(worker: Worker) -> str | None:
    """Return why a worker is unhealthy, or None: a thread has died, or a queue is not connected."""
    if (death := death_in(worker)) is not None:
        return death
    # A copy: Dramatiq adds consumers from another thread.
    for queue, thread in list(worker.consumers.items()):
        if not is_connected(thread.consumer):
            return f"{queue} is not connected"
    return None


def is_connected(consumer: Consumer | None) -> bool:
    """Return True if a consumer's connection is open; one in memory always is.

    Dramatiq keeps the consumer whose connection was lost, until it has another one.
    """
    connection = getattr(consumer, "connection", None)
    return consumer is not None and (connection is None or connection.is_open)


def death_in(worker: Worker) -> str | None:
    """Return which thread of a worker has died, or None. It takes no messages while the process lives on."""
    dead = sum(not thread.is_alive() for thread in worker.workers)
    if dead:
        return f"{dead} worker threads have died"
    for queue, thread in list(worker.consumers.items()):
        if not thread.is_alive():
            return f"the consumer of {queue} has died"
    return None


def _probe(check: Check, keep: float) -> Endpoint:
    def compute() -> ProbeAnswer:
        fault = check()
        return ProbeAnswer(503 if fault else 200, f"{fault or 'ok'}\n")

    return Endpoint(compute, keep)


def _endpoint(as_text: Callable[[], tuple[str, str]]) -> Endpoint:
    def compute() -> ProbeAnswer:
        kind, text = as_text()
        return ProbeAnswer(200, text, kind)

    return Endpoint(compute, KEEP_METRICS)
