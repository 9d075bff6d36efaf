"""Tests of logs: readable by people and by machines, and without secrets."""

import json
import logging
import os
import threading
from collections.abc import Iterator

import dramatiq
import pytest
import structlog

from certline.models.settings import Settings
from certline.workers.process.logs import RoutineClose, configure


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """Restore logging after the test, whose configuration writes to a stream that ends with it."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_shows_no_variable(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings(log=form), "worker")

    def fail() -> None:
        password = "hunter2"
        raise RuntimeError(f"a password of {len(password)} characters was wrong")

    try:
        fail()
    except RuntimeError:
        structlog.get_logger().exception("login.failed")

    said = capsys.readouterr().err
    assert "login.failed" in said
    assert "RuntimeError" in said
    assert "hunter2" not in said


def test_json_logs_are_one_document_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings(log="json"), "relay")

    structlog.get_logger().info("order.sent", scm_id=7)
    logging.getLogger("pika").error("gone")

    documents = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [document["event"] for document in documents] == ["order.sent", "gone"]
    assert documents[0]["scm_id"] == 7
    for document in documents:
        assert document["part"] == "relay"
        assert document["pid"] == os.getpid()
        assert document["host"]


def test_the_error_that_pika_logs_at_each_normal_stop_is_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure(Settings(log="json"), "worker")
    pika = logging.getLogger("pika.adapters.blocking_connection")

    pika.error(
        "%s.close(200, 'Normal shutdown') called on closed connection.", "BlockingConnection"
    )
    pika.error("lost")

    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["lost"]


def test_a_lost_connection_is_logged_unless_the_process_is_stopping(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RoutineClose, "stopping", threading.Event())
    configure(Settings(log="json"), "worker")
    pika = logging.getLogger("pika.adapters.utils.io_services_utils")

    pika.error("_AsyncBaseTransport._produce() failed, aborting connection: error=%r", OSError(104))
    RoutineClose.stopping.set()
    pika.error("_AsyncBaseTransport._produce() failed, aborting connection: error=%r", OSError(104))

    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_message_of_dramatiq_is_logged_without_what_it_carries(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure(Settings(log="json"), "worker")
    carried = {"data": {"csr": "-----BEGIN PRIVATE KEY-----"}}
    message: dramatiq.Message[None] = dramatiq.Message(
        "certline.order", "order", (), carried, {}, message_id="m-1"
    )

    logging.getLogger("dramatiq.worker").error("Failed to process message %s.", message)

    said = capsys.readouterr().err
    assert json.loads(said)["event"] == "Failed to process message order m-1."


def test_what_a_library_retries_is_a_warning_with_the_id_of_its_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure(Settings(log="json"), "worker")
    command = "aae5c909-22e0-40da-b51c-6c25a73137b2"
    message: dramatiq.Message[None] = dramatiq.Message(
        "certline.order", "order", (), {"command_id": command}, {}
    )

    logging.getLogger("dramatiq.worker.WorkerThread").error("Failed to process %s.", message)
    logging.getLogger("pika.adapters").critical("connection lost")

    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["level"], first["command"]) == ("warning", command)
    assert second["level"] == "warning"


def test_an_entry_of_the_tables_code_has_its_order_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure(Settings(log="json"), "worker")

    facts = {"order": "01M8", "why": "two records", "password": "hunter2"}
    logging.getLogger("certline.models.lifecycle.moves").error("order.review", extra=facts)

    entry = json.loads(capsys.readouterr().err)
    assert (entry["event"], entry["level"]) == ("order.review", "error")
    assert (entry["order"], entry["why"]) == ("01M8", "two records")
    assert "hunter2" not in str(entry)
