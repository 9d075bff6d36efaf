"""The processes on the stage: forked, given points to die at, stopped, and checked for their health."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import requests

from tests.faults.crashes.injection import Death
from tests.servers import Process, session, until
from tests.support.deployment import Plant
from tests.support.forkserver import Nursery, Part


@dataclass(frozen=True)
class Place:
    """Where processes run: what forks them there, and the address at which the test reaches them."""

    nursery: Nursery
    address: str = "127.0.0.1"


class Troupe:
    """Processes on a plant; those started without a death have to be healthy at the end."""

    def __init__(self, nursery: Nursery, plant: Plant) -> None:
        self.nursery = nursery
        self.plant = plant
        # Each with the URL of its health.
        self._parts: dict[str, tuple[Part | Process, str]] = {}

    def start(
        self,
        *words: str,
        dies: Sequence[Death] = (),
        environment: Mapping[str, str] | None = None,
        place: Place | None = None,
    ) -> Part:
        """Start a process (`worker`, `relay` …), by default on this machine's own network.

        Without `dies` it has to be healthy at the end.
        """
        place = place or Place(self.nursery)
        port = session.free_port()
        variables = {
            **self.plant.environment,
            "CERTLINE_METRICS_HOST": place.address,
            "CERTLINE_METRICS_PORT": str(port),
        }
        if words[0] == "up":  # all in one process, without RabbitMQ
            del variables["CERTLINE_RABBITMQ_URL"]
        else:
            words = ("run", *words)
        deaths = [asdict(death) for death in dies]
        part = place.nursery.start(words, {**variables, **(environment or {})}, deaths)
        if not dies:
            health = f"http://{place.address}:{port}/healthz"
            self._parts[f"{words[-1 if words[0] == 'up' else 1]} {part.pid}"] = (part, health)
        return part

    def type(
        self,
        *words: str,
        dies: Sequence[Death] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Part:
        """Run a CLI command, which may die at a point, and return once it has ended."""
        deaths = [asdict(death) for death in dies]
        variables = {**self.plant.environment, **(environment or {})}
        part = self.nursery.start(["--json", *words], variables, deaths)
        part.wait()
        return part

    def add(self, name: str, part: Process, port: int) -> None:
        """Add a process that the test has started in its own way; `port`: of its health endpoint."""
        self._parts[f"{name} {part.pid}"] = (part, f"http://127.0.0.1:{port}/healthz")

    def kill(self, part: Part | Process) -> None:
        """Kill one process, which may be one of several of its name."""
        self._parts = {name: each for name, each in self._parts.items() if each[0] is not part}
        part.kill()

    def output_of(self, part: str) -> str:
        """Return what the processes of that name have written."""
        return "".join(each.output for name, (each, _) in self._parts.items() if part in name)

    def stop(self, part: str) -> None:
        """Kill the processes of that name."""
        for name in [name for name in self._parts if name.startswith(part)]:
            self._parts.pop(name)[0].kill()

    def is_well(self, part: Part) -> bool:
        """Return True if one such process reports that it is healthy."""
        return any(each is part and _is_well(url) for each, url in self._parts.values())

    def stop_parts(self) -> None:
        """Kill every process started without a death; RabbitMQ requeues the messages they had in hand."""
        for part, _ in self._parts.values():
            part.kill()
        self._parts.clear()

    def until_well(self) -> None:
        """Wait until every such process reports that it is healthy."""
        for name, (part, url) in self._parts.items():
            until(partial(_is_well, url), 60)
            assert part.exit_code is None, f"{name} has ended:\n{part.output[-3000:]}"

    def sick(self) -> dict[str, str]:
        """Return the health text of each process that does not become healthy in time, by name."""
        found = {}
        for name, (part, url) in self._parts.items():
            try:
                until(partial(_is_well, url), 15, every=0.2)
            except TimeoutError:
                found[name] = _health(url) or f"it has ended with {part.exit_code}"
        return found


def _is_well(url: str) -> bool:
    return _health(url) == "ok"


def _health(url: str) -> str:
    try:
        return requests.get(url, timeout=30).text.strip()
    except requests.RequestException:
        return ""
