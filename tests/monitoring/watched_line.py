"""A running line that a Prometheus watches with certline's own rules, quicker than in production."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from certline.simulator.server import Simulator
from tests.monitoring.documents import CONFIGURATION, RULES
from tests.servers import Process, session, until
from tests.servers.prometheus import Prometheus
from tests.support.deployment import Plant

PARTS = ("producer", "worker", "relay", "ingress")
# A killed part is missed after three heartbeats. Calls wait for their turn now and then.
QUICK = {
    "CERTLINE_HEARTBEAT_SECONDS": "1",
    "CERTLINE_RATE_READ": "20",
    "CERTLINE_RATE_ORDER": "20",
}


@dataclass(frozen=True)
class WatchedLine:
    """A line, its SCM, the Prometheus that watches it, and the port and the process of each part."""

    plant: Plant
    simulator: Simulator
    prometheus: Prometheus
    ports: dict[str, int]
    processes: dict[str, Process] = field(default_factory=dict)

    def start(self, part: str) -> None:
        """Start a part on its port."""
        self.plant.environment["CERTLINE_METRICS_PORT"] = str(self.ports[part])
        self.processes[part] = self.plant.start(part)
        del self.plant.environment["CERTLINE_METRICS_PORT"]

    def kill(self, part: str) -> None:
        """Kill a part, without a chance to say anything."""
        self.processes[part].kill()

    def firing(self) -> dict[str, dict[str, Any]]:
        """Return the alerts that fire, by name."""
        alerts = self.prometheus.alerts()
        return {name: alert for name, alert in alerts.items() if alert["state"] == "firing"}

    def until_firing(self, name: str, timeout: float = 90) -> dict[str, Any]:
        """Wait until an alert fires, and return it."""
        return until(lambda: self.firing().get(name, {}), timeout, every=0.5)

    def until_silent(self, timeout: float = 120) -> None:
        """Wait until no alert fires or is about to. Raises AssertionError with those that still do."""
        try:
            until(lambda: not self.prometheus.alerts(), timeout, every=0.5)
        except TimeoutError:
            raise AssertionError(f"after {timeout} s: {self.prometheus.alerts()}") from None


@contextmanager
def watched_line(
    database_url: str, rabbitmq_url: str, simulator: Simulator
) -> Iterator[WatchedLine]:
    """Start every part with a port of its own, and a Prometheus that scrapes them all each second."""
    ports = {part: session.free_port() for part in PARTS}
    with (
        Plant(database_url, rabbitmq_url, **QUICK) as plant,
        closing(Prometheus(configuration(ports))) as prometheus,
    ):
        line = WatchedLine(plant, simulator, prometheus, ports)
        for part in PARTS:
            line.start(part)
        yield line


def configuration(ports: dict[str, int]) -> Path:
    """Write the configuration of compose for parts on these ports of this machine, and return its file.

    The rules are the same, but every second, and fire after a second in place of minutes.
    """
    folder = session.subfolder("prometheus-configuration")
    rules = re.sub(r"^( +for:) \w+$", r"\1 1s", RULES.read_text("utf-8"), flags=re.MULTILINE)
    (folder / RULES.name).write_text(rules)
    wanted = yaml.safe_load(CONFIGURATION.read_text("utf-8"))
    wanted["global"] = {
        "scrape_interval": "1s",
        "scrape_timeout": "1s",
        "evaluation_interval": "1s",
    }
    jobs = []
    for job in wanted["scrape_configs"]:
        part = job["job_name"].removeprefix("certline-")
        if part in ports:
            del job["dns_sd_configs"]
            job["static_configs"] = [{"targets": [f"127.0.0.1:{ports[part]}"]}]
            jobs.append(job)
    wanted["scrape_configs"] = jobs
    file = folder / CONFIGURATION.name
    file.write_text(yaml.safe_dump(wanted))
    return file
