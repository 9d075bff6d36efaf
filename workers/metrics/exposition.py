"""What `/metrics` serves: the metrics of this part's processes, and what else is registered, as text."""

from collections.abc import Iterable, Iterator
from importlib.metadata import version

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from certline.workers.metrics.instruments import REGISTRY
from certline.workers.metrics.shared_files import shared_folder

OPENMETRICS = "application/openmetrics-text"


class Exposition:
    """The metrics that a part serves. `more`: collectors of its own, such as the figures of the installation."""

    def __init__(self, part: str, more: Iterable[Collector] = ()) -> None:
        self._registry = CollectorRegistry()
        folder = shared_folder()
        if folder is None:
            self._registry.register(REGISTRY)
            ProcessCollector(registry=self._registry)
        else:
            MultiProcessCollector(self._registry, folder)  # type: ignore[no-untyped-call]
        for collector in (BuildInfo(part), *more):
            self._registry.register(collector)

    def as_text(self) -> tuple[str, str]:
        """Return (media type, metrics in Prometheus' text format)."""
        return CONTENT_TYPE_LATEST, generate_latest(self._registry).decode()

    def as_openmetrics(self) -> tuple[str, str]:
        """Return (media type, metrics in OpenMetrics' text format)."""
        text: bytes = openmetrics.generate_latest(self._registry)  # type: ignore[no-untyped-call]
        return openmetrics.CONTENT_TYPE_LATEST, text.decode()


class BuildInfo(Collector):
    """The version of certline, and the part that answers, as a gauge that is always 1."""

    def __init__(self, part: str) -> None:
        self._labels = [version("certline"), part]

    def collect(self) -> Iterator[Metric]:
        """Yield the gauge."""
        gauge = GaugeMetricFamily("certline_build_info", BUILD_HELP, labels=["version", "part"])
        gauge.add_metric(self._labels, 1)
        yield gauge


BUILD_HELP = "1; the version of certline, and the part that answers"
