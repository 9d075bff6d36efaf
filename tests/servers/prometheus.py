"""A private Prometheus, and promtool, from the local installation."""

import subprocess
from pathlib import Path
from typing import Any

import requests

from tests.servers import session
from tests.servers.process import Process, until


class Prometheus:
    """A Prometheus on a free port, with its data in the run's folder; it ends with the `with` block."""

    def __init__(self, configuration: Path) -> None:
        """Start it with a configuration file, and wait until it answers."""
        self.folder = session.subfolder("prometheus")
        self.port = session.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = Process(
            [
                "prometheus",
                f"--config.file={configuration}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                f"--storage.tsdb.path={self.folder}",
                "--storage.tsdb.retention.time=1d",
            ],
            cwd=self.folder,  # it writes its list of active queries there
        )
        until(self._is_ready, 60)

    def close(self) -> None:
        """Kill it."""
        self.process.kill()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of an instant query. Raises ValueError, with Prometheus' words, if it is refused."""
        return list(self._get("query", query=expression)["result"])

    def label_values(self, label: str, of: str) -> list[str]:
        """Return the values of a label among the series of a metric."""
        return list(self._get(f"label/{label}/values", **{"match[]": of}))

    def alerts(self) -> dict[str, dict[str, Any]]:
        """Return the alerts that fire or are about to: name → state, labels and annotations."""
        return {each["labels"]["alertname"]: each for each in self._get("alerts")["alerts"]}

    def targets(self) -> dict[str, str]:
        """Return the health of each target by its job: `up`, `down` or `unknown`."""
        return {
            each["labels"]["job"]: each["health"] for each in self._get("targets")["activeTargets"]
        }

    def _get(self, path: str, **parameters: str) -> Any:
        answer = requests.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=30)
        document = answer.json()
        if document["status"] != "success":
            raise ValueError(f"{parameters}: {document['error']}")
        return document["data"]

    def _is_ready(self) -> bool:
        if self.process.exit_code is not None:
            raise ChildProcessError(f"Prometheus did not start:\n{self.process.output}")
        try:
            return requests.get(f"{self.url}/-/ready", timeout=5).ok
        except requests.ConnectionError:
            return False


def promtool(*words: str | Path) -> None:
    """Run promtool. Raises AssertionError with its output if it finds something wrong."""
    done = subprocess.run(
        ["promtool", *words], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, f"promtool {' '.join(map(str, words))}\n{done.stdout}{done.stderr}"
