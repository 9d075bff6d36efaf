"""The processes on the stage: forked, given points to die at, stopped, and checked for their health."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial

import requests

from tests.faults.crashes.injection import Death
from tests.servers import Process, session, until
from tests.support.deployment import Plant
from tests.support.forkserver import Nursery, Part


class Troupe:
    """Processes on a plant; those started without a death have to be healthy at the end."""

    def __init__(self, nursery: Nursery, plant: Plant) -> None:
        self.nursery = nursery
        self.plant = plant
        self._parts: dict[str, tuple[Part | Process, int]] = {}

    def start(
        self,
        *words: str,
        dies: Sequence[Death] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Part:
        """Start a process (`worker`, `relay` …); without `dies` it has to be healthy at the end."""
        port = session.free_port()
        variables = {**self.plant.environment, "CERTLINE_METRICS_PORT": str(port)}
        if words[0] == "up":  # all in one process, without RabbitMQ
            del variables["CERTLINE_RABBITMQ_URL"]
        else:
            words = ("run", *words)
        deaths = [asdict(death) for death in dies]
        part = self.nursery.start(words, {**variables, **(environment or {})}, deaths)
        if not dies:
            self._parts[f"{words[-1 if words[0] == 'up' else 1]} {part.pid}"] = (part, port)
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
        self._parts[f"{name} {part.pid}"] = (part, port)

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

    def stop_parts(self) -> None:
        """Kill every process started without a death; RabbitMQ requeues the messages they had in hand."""
        for part, _ in self._parts.values():
            part.kill()
        self._parts.clear()

    def until_well(self) -> None:
        """Wait until every such process reports that it is healthy."""
        for name, (part, port) in self._parts.items():
            until(partial(_is_well, port), 60)
            assert part.exit_code is None, f"{name} has ended:\n{part.output[-3000:]}"

    def sick(self) -> dict[str, str]:
        """Return the health text of each process that does not become healthy in time, by name."""
        found = {}
        for name, (part, port) in self._parts.items():
            try:
                until(partial(_is_well, port), 15, every=0.2)
            except TimeoutError:
                found[name] = _health(port) or f"it has ended with {part.exit_code}"
        return found


def _is_well(port: int) -> bool:
    return _health(port) == "ok"


def _health(port: int) -> str:
    try:
        return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=30).text.strip()
    except requests.RequestException:
        return ""
