"""Counting that never fails: an order, an answer of SCM's or a batch must not be lost over a metric.

What can go wrong is the file of a process's metrics (`workers.metrics.shared_files`): no room, or removed.
"""

import structlog
from prometheus_client import Counter, Histogram

log = structlog.get_logger()

_told = False


def observe(histogram: Histogram, seconds: float, *labels: str) -> None:
    """Add seconds to a histogram. Never raises."""
    try:
        (histogram.labels(*labels) if labels else histogram).observe(seconds)
    except Exception as error:  # noqa: BLE001  # whatever it is, the work goes on
        _tell(error)


def count(counter: Counter, *labels: str, by: float = 1) -> None:
    """Add to a counter. Never raises."""
    try:
        (counter.labels(*labels) if labels else counter).inc(by)
    except Exception as error:  # noqa: BLE001  # whatever it is, the work goes on
        _tell(error)


def _tell(error: Exception) -> None:
    """Log the first failure of a process: each call, step and message would log one."""
    global _told  # noqa: PLW0603  # one per process, as the metrics are
    if not _told:
        _told = True
        log.error("metrics.not_counted", error=f"{type(error).__name__}: {error}")
