"""The figures of the whole installation as metrics, served by the producer (`models.figures`)."""

import time
from collections.abc import Iterable, Iterator

import structlog
from prometheus_client.metrics_core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from certline.models import Database
from certline.models.database.outage import outage_text
from certline.models.figures.catalogue import BY_NAME, Figure, Reading, Readings
from certline.models.figures.sample import KEEP, scrape

log = structlog.get_logger()

AGE = "certline_figures_age_seconds"
AGE_HELP = "Seconds since the figures of what is in motion were counted; it grows while Postgres does not answer"


class InstallationFigures(Collector):
    """Collects the figures of the installation from samples; those of the last scrape while Postgres is away."""

    def __init__(self, url: str) -> None:
        # A connection of its own: scrapes take none of the part's.
        self._database = Database(url, pool_size=1)
        self._last: tuple[Readings, float] = ({}, 0.0)
        self._at = time.monotonic()

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the figures are not read when the collector is registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield a family for each figure that has readings, and the age of the figures."""
        try:
            self._last, self._at = scrape(self._database), time.monotonic()
        except SQLAlchemyError as error:
            log.warning("figures.not_read", error=outage_text(error))
        readings, age = self._last
        age += time.monotonic() - self._at
        if age <= 2 * KEEP.total_seconds():
            yield from families(readings)
        gauge = GaugeMetricFamily(AGE, AGE_HELP)
        gauge.add_metric([], age)
        yield gauge


def families(readings: Readings) -> Iterator[Metric]:
    """Yield the readings as Prometheus' families, in the order of the catalogue."""
    for name, figure in BY_NAME.items():
        if name in readings:
            yield (
                _histogram(figure, readings[name])
                if figure.is_histogram
                else _gauge(figure, readings[name])
            )


def _gauge(figure: Figure, readings: Iterable[Reading]) -> Metric:
    gauge = GaugeMetricFamily(figure.name, figure.help, labels=figure.labels)
    for labels, value in readings:
        gauge.add_metric([labels[label] for label in figure.labels], value)
    return gauge


def _histogram(figure: Figure, readings: Iterable[Reading]) -> Metric:
    counts = {labels["le"]: value for labels, value in readings}
    total = counts.pop("sum")
    histogram = HistogramMetricFamily(figure.name, figure.help)
    histogram.add_metric([], list(counts.items()), total)
    return histogram
