"""Counters and histograms of a process's own work; docs/metrics.md is generated from them.

Their values are kept in this process, or, for worker processes that share a port, in the files of
`workers.metrics.shared_files`.
"""

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from certline.workers.metrics.reserved_files import reserve_room

disable_created_metrics()  # type: ignore[no-untyped-call]
reserve_room()

REGISTRY = CollectorRegistry()

# Upper bounds of the buckets, in seconds.
CALL = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
STEP = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
START = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600)
STORED = (1, 5, 15, 30, 60, 300, 900, 3_600, 14_400, 86_400, 604_800)

SCM_CALL = Histogram(
    "certline_scm_call_seconds",
    "Seconds of a call to SCM, from its start to the end of the response, by its outcome",
    ("operation", "outcome"),
    buckets=CALL,
    registry=REGISTRY,
)
SCM_WAIT = Histogram(
    "certline_scm_wait_seconds",
    "Seconds for which a call to SCM waited for its turn within the rate limit",
    ("kind",),
    buckets=START,
    registry=REGISTRY,
)
STEP_RUN = Histogram(
    "certline_step_seconds",
    "Seconds of a run of a step, from its message to the commit of how it ended",
    ("step", "outcome"),
    buckets=STEP,
    registry=REGISTRY,
)
COMMAND_START = Histogram(
    "certline_command_start_seconds",
    "Seconds from the moment a command was due until a worker started it",
    ("queue",),
    buckets=START,
    registry=REGISTRY,
)
ORDER_STORED = Histogram(
    "certline_order_stored_seconds",
    "Seconds from accepting an order until its certificate was stored",
    ("kind",),
    buckets=STORED,
    registry=REGISTRY,
)
RELAY_PUBLISHED = Counter(
    "certline_relay_published",
    "Messages that RabbitMQ has confirmed: events, and wake-ups of workers",
    ("kind",),
    registry=REGISTRY,
)
RELAY_REFUSED = Counter(
    "certline_relay_refused",
    "Messages that RabbitMQ has refused or could not route; they are tried again",
    registry=REGISTRY,
)
INGRESS_MESSAGES = Counter(
    "certline_ingress_messages",
    "Messages of other systems by outcome: accepted, repeated (known before), rejected (now a dead letter)",
    ("outcome",),
    registry=REGISTRY,
)
SCHEDULE_FIRED = Counter(
    "certline_schedule_fired",
    "Firings of a schedule by this producer",
    ("schedule",),
    registry=REGISTRY,
)
