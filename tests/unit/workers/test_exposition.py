"""Tests of what `/metrics` serves: both formats parse, and worker processes answer as one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from certline.models.settings import Settings
from certline.producers.installation_figures import families
from certline.workers.metrics import instruments, shared_files
from certline.workers.metrics.exposition import Exposition
from certline.workers.process.health import serve_health
from tests.unit.workers.test_health import a_free_port


def test_a_large_number_keeps_all_its_digits() -> None:
    (family,) = families({"certline_outbox_due": [({}, 1_234_567)]})

    assert [sample.value for sample in family.samples] == [1_234_567]
    assert family.documentation == "Messages that are due and not sent"


def test_a_histogram_has_its_buckets_count_and_sum() -> None:
    readings = [
        ({"le": "0"}, 1.0),
        ({"le": "7"}, 3.0),
        ({"le": "+Inf"}, 4.0),
        ({"le": "sum"}, 99.5),
    ]
    (family,) = families({"certline_certificate_days_left": readings})

    found = {
        (one.name.rpartition("_")[2], one.labels.get("le")): one.value for one in family.samples
    }
    assert found == {
        ("bucket", "0"): 1,
        ("bucket", "7"): 3,
        ("bucket", "+Inf"): 4,
        ("count", None): 4,
        ("sum", None): 99.5,
    }


@pytest.mark.parametrize(
    ("accepts", "media_type", "parse"),
    [
        ("*/*", "text/plain", plain),
        (
            "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
            "application/openmetrics-text",
            openmetrics,
        ),
    ],
)
def test_who_accepts_openmetrics_gets_it_and_both_formats_parse(accepts, media_type, parse) -> None:  # type: ignore[no-untyped-def]
    instruments.RELAY_PUBLISHED.labels("event").inc(3)
    port = a_free_port()
    serve_health(Settings(metrics_port=port), lambda: None, Exposition("relay"))

    answer = requests.get(
        f"http://127.0.0.1:{port}/metrics", headers={"Accept": accepts}, timeout=10
    )

    assert answer.headers["Content-Type"].startswith(media_type)
    found = {family.name: family for family in parse(answer.text)}
    assert [one.labels["part"] for one in found["certline_build_info"].samples] == ["relay"]
    published = found["certline_relay_published"]
    assert published.type == "counter"
    assert any(one.value >= 3 for one in published.samples if one.labels.get("kind") == "event")
    assert published.documentation.startswith("Messages that RabbitMQ has confirmed")


PROGRAM = """
import os
from certline.workers.metrics.shared_files import share_files
share_files()
from certline.workers.metrics.exposition import Exposition
from certline.workers.metrics.instruments import STEP_RUN
for _ in range(3):
    child = os.fork()
    if child == 0:
        STEP_RUN.labels("order", "done").observe(0.02)
        os._exit(0)
    os.waitpid(child, 0)
STEP_RUN.labels("order", "done").observe(0.02)
print(os.environ["PROMETHEUS_MULTIPROC_DIR"])
print(Exposition("worker").as_text()[1])
"""


def test_any_of_several_processes_answers_for_all_and_for_those_that_have_ended() -> None:
    ended = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    folder, _, answer = ended.stdout.partition("\n")

    counts = {
        one.labels["le"]: one.value
        for family in plain(answer)
        for one in family.samples
        if one.name == "certline_step_seconds_bucket"
    }
    assert (counts["0.01"], counts["0.025"]) == (0, 4)
    assert "HELP certline_step_seconds Seconds of a run of a step" in answer
    assert not Path(folder).exists()


def test_without_room_for_temporary_files_each_process_answers_for_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(**_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.delenv(shared_files.VARIABLE, raising=False)
    monkeypatch.setattr("certline.workers.metrics.shared_files.tempfile.mkdtemp", full)

    shared_files.share_files()

    assert shared_files.shared_folder() is None


def test_a_child_of_run_all_uses_the_folder_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(shared_files.VARIABLE, "/elsewhere")

    shared_files.share_files()

    assert os.environ[shared_files.VARIABLE] == "/elsewhere"
