"""Tests of the switch of tracing: off by default, OpenTelemetry's own variables, and what is missing is said."""

import os
import subprocess
import sys

import pytest

from certline.workers.tracing.setup import start_tracing
from certline.workers.tracing.span import recorder_in_use, span
from certline.workers.tracing.switch import TracingSetupError, require_packages, wanted_exporter

ENDPOINT = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, None),
        ({"OTEL_SERVICE_NAME": "shop"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT}, "otlp"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": ENDPOINT}, "otlp"),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, "otlp"),
        ({"OTEL_TRACES_EXPORTER": "console"}, "console"),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT}, None),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT}, None),
    ],
)
def test_opentelemetrys_variables_switch_it_on(
    variables: dict[str, str], wanted: str | None
) -> None:
    assert wanted_exporter(variables) == wanted
    assert require_packages(variables) == wanted


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"OTEL_TRACES_EXPORTER": "jaeger"},
            "OTEL_TRACES_EXPORTER should be otlp, console or none",
        ),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL should be http/protobuf",
        ),
    ],
)
def test_what_it_cannot_do_is_an_error(variables: dict[str, str], said: str) -> None:
    with pytest.raises(TracingSetupError, match=said):
        wanted_exporter(variables)


def test_without_the_packages_switching_it_on_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.startswith("opentelemetry")]:
        monkeypatch.delitem(sys.modules, name)
    # None in place of a module: as if it were not installed.
    monkeypatch.setitem(sys.modules, "opentelemetry", None)

    with pytest.raises(TracingSetupError, match=r"pip install 'certline\[tracing\]'"):
        require_packages({"OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT})
    assert require_packages({}) is None


def test_off_it_records_nothing_and_loads_nothing_of_opentelemetry() -> None:
    program = """
import sys
from certline.workers.app import STEPS
from certline.producers.in_process import run_up
from certline.producers.ingress import take
from certline.workers.tracing.setup import tracing
from certline.workers.tracing.span import span
with tracing("worker"), span("anything"):
    pass
assert STEPS and run_up and take
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}

    done = subprocess.run(
        [sys.executable, "-c", program], env=clean, capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"


def test_a_dead_collector_delays_the_end_for_a_moment_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", ENDPOINT)
    end = start_tracing("test")
    with span("lost"):
        assert recorder_in_use() is not None

    end(0.1)

    assert recorder_in_use() is None


def test_a_wrong_variable_of_opentelemetry_is_said_and_breaks_no_typed_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "99999")

    with pytest.raises(TracingSetupError, match="a variable of OpenTelemetry"):
        start_tracing("cli")
