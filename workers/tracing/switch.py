"""The switch of tracing: OpenTelemetry's own variables. Without them nothing of OpenTelemetry is imported."""

import os
from collections.abc import Mapping
from importlib.util import find_spec

EXPORTER = "OTEL_TRACES_EXPORTER"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
# Where spans may go: to a collector, to standard error, nowhere.
OTLP, CONSOLE, NONE = "otlp", "console", "none"
OUR_PROTOCOL = "http/protobuf"


class TracingSetupError(Exception):
    """Tracing is switched on, and certline cannot do what the variables say; the text says what to change."""


def wanted_exporter(environment: Mapping[str, str] | None = None) -> str | None:
    """Return where spans are to go, `otlp` or `console`, or None if tracing is off, as it is by default.

    `environment`: that of this process if not given. Raises TracingSetupError for what certline can't do.
    """
    given = os.environ if environment is None else environment
    if given.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    named = given.get(EXPORTER, "").strip().lower()
    if not named:
        named = OTLP if any(given.get(name) for name in ENDPOINTS) else NONE
    if named == NONE:
        return None
    if named not in (OTLP, CONSOLE):
        raise TracingSetupError(f"{EXPORTER} should be {OTLP}, {CONSOLE} or {NONE}, not {named!r}")
    for name in PROTOCOLS if named == OTLP else ():
        if given.get(name, OUR_PROTOCOL) not in ("", OUR_PROTOCOL):
            raise TracingSetupError(
                f"{name} should be {OUR_PROTOCOL}, which collectors take on port 4318 (docs/tracing.md)"
            )
    return named


def require_packages(environment: Mapping[str, str] | None = None) -> str | None:
    """Return what `wanted_exporter` does, if the packages that it takes are installed.

    Raises TracingSetupError if they are not.
    """
    named = wanted_exporter(environment)
    if named is not None and not _is_installed():
        given = os.environ if environment is None else environment
        by = next(name for name in (EXPORTER, *ENDPOINTS) if given.get(name))
        raise TracingSetupError(
            f"{by} switches tracing on, but OpenTelemetry is not installed: "
            f"pip install 'certline[tracing]', or set {EXPORTER}={NONE} (docs/tracing.md)"
        )
    return named


def _is_installed() -> bool:
    try:
        return all(
            find_spec(name) is not None
            for name in ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
        )
    except ModuleNotFoundError:  # a package above them is missing
        return False
