"""The set-up of tracing in a process, after any fork, and its bounded end: a dead collector delays nothing."""

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from certline.workers.tracing.harmless import HarmlessRecorder
from certline.workers.tracing.span import use_recorder
from certline.workers.tracing.switch import CONSOLE, TracingSetupError, require_packages

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

# Seconds for what is left to be sent at the end of a part, and of a typed command. After that it is dropped.
PART_WITHIN, COMMAND_WITHIN = 5.0, 2.0


def start_tracing(part: str) -> Callable[[float], None]:
    """Record the spans of this process if the environment says so. Returns what ends that, within so many seconds.

    `part`: the part of certline, such as `worker`. To be called after a fork: spans are sent by a thread. Raises
    TracingSetupError.
    """
    wanted = require_packages()
    if wanted is None:
        return lambda _: None
    try:
        return record_with(_exporter(wanted), part)
    except (ValueError, TypeError) as wrong:  # such as OTEL_BSP_SCHEDULE_DELAY=-1
        raise TracingSetupError(f"a variable of OpenTelemetry (OTEL_…) is wrong: {wrong}") from None


def record_with(exporter: "SpanExporter", part: str) -> Callable[[float], None]:
    """Record spans, and have a thread send them in batches. Returns what ends that, within so many seconds."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  # only where tracing is on
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    from certline.workers.tracing.opentelemetry_recorder import (  # noqa: PLC0415
        OpenTelemetryRecorder,
        TraceIds,
    )

    ids = TraceIds()
    # The sampler is that of OTEL_TRACES_SAMPLER.
    provider = TracerProvider(
        resource=Resource.create(_origin(part)), id_generator=ids, shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    use_recorder(HarmlessRecorder(OpenTelemetryRecorder(provider, ids)))

    def end(within: float) -> None:
        use_recorder(None)
        # OpenTelemetry's own limits are not kept while a request is under way.
        last = threading.Thread(target=provider.shutdown, name="last-spans", daemon=True)
        last.start()
        last.join(within)

    return end


@contextmanager
def tracing(part: str) -> Iterator[None]:
    """Record the spans of this process for the length of the block, if the environment says so.

    Raises TracingSetupError.
    """
    end = start_tracing(part)
    try:
        yield
    finally:
        end(PART_WITHIN)


def _origin(part: str) -> dict[str, str | int]:
    own: dict[str, str | int] = {
        "service.version": version("certline"),
        "host.name": socket.gethostname(),
        "process.pid": os.getpid(),
    }
    named = "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    if not named and not os.environ.get("OTEL_SERVICE_NAME"):
        own["service.name"] = f"certline-{part}"
    return own


def _exporter(wanted: str) -> "SpanExporter":
    if wanted == CONSOLE:
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter  # noqa: PLC0415

        return ConsoleSpanExporter(out=sys.stderr)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )

    return OTLPSpanExporter()
