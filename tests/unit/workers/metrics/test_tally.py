"""Tests that nothing is lost over a metric that cannot be kept."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from certline.workers.metrics.instruments import SCM_CALL
from certline.workers.runtime.call_outcome import CallMeasure


def broken(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_call_ends_though_its_metric_cannot_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SCM_CALL, "labels", broken)
    measure = CallMeasure()
    measure.start()

    measure.end("enroll", None)


# A hole in a mapped file that the disk has no room for ends the process when it is written: SIGBUS.
WRITES = """
from certline.workers.metrics.instruments import STEP_RUN
for number in range(400):
    STEP_RUN.labels("order", f"outcome {number}").observe(0.02)
"""


def test_a_file_of_metrics_has_its_room_before_it_is_written(tmp_path: Path) -> None:
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    subprocess.run([sys.executable, "-c", WRITES], env=environment, check=True)

    files = [path.stat() for path in tmp_path.glob("*.db")]
    assert max(each.st_size for each in files) > 1 << 20  # one has grown
    assert [each for each in files if each.st_blocks * 512 < each.st_size] == []


# Files of at most 64 KiB stand for a full disk.
FULL = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536))
from certline.workers.metrics.shared_files import share_files
share_files()
from certline.workers.metrics.tally import observe
from certline.workers.metrics.instruments import STEP_RUN
for number in range(400):
    observe(STEP_RUN, 0.02, "order", f"outcome {number}")
print("ended well")
"""


def test_without_room_for_files_a_process_counts_for_itself(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}

    ended = subprocess.run(
        [sys.executable, "-c", FULL], env=environment, check=True, capture_output=True, text=True
    )

    assert ended.stdout == "ended well\n"
    assert list(tmp_path.iterdir()) == []
