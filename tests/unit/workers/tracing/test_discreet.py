"""Tests that no log and no typed command repeats the login, the token or the headers of a collector."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog

from certline.models.settings import Settings
from certline.workers.process.logs import configure


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """Restore logging after the test, whose configuration writes to a stream that ends with it."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


# What OpenTelemetry logs, with what a library has quoted in it.
SAID = (
    "reason: No connection adapters were found for 'ida:geheim@collector/v1/traces'",
    "reason: Max retries exceeded with url: /v1/traces?token=geheim",
    "Invalid header value: Bearer geheim",
)


@pytest.mark.parametrize("said", SAID)
def test_an_entry_has_nothing_of_the_variables(
    said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "https://ida:geheim@collector?token=geheim")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20geheim")
    configure(Settings(log="json"), "worker")
    told = logging.getLogger("opentelemetry.exporter")
    told.error("Failed: %s", said, exc_info=ValueError(said))

    shown = capsys.readouterr().err
    assert "Failed: " in shown
    assert "geheim" not in shown


TYPES = """
import click
from certline.cli.trace import record_command
@click.group()
def main(): ...
@main.command()
def order(): record_command()
main(["order"])
"""


def test_a_typed_command_does_not_repeat_headers_that_cannot_be_read() -> None:
    variables = {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization Bearer geheim",
    }
    ended = subprocess.run(
        [sys.executable, "-c", TYPES],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "geheim" not in ended.stderr
