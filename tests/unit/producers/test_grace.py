"""Tests of the time a worker may take to stop: as long as the longest call that must not be interrupted."""

import re
from pathlib import Path

from certline.models.settings import Settings
from certline.producers.processes import STORING, grace
from certline.workers.ordering.claim import SEND_WITHIN
from certline.workers.scm.transport.http import DRIPS

COMPOSE = Path(__file__).parents[3] / "compose.yaml"


def test_the_longest_order_fits_into_the_grace() -> None:
    """From the claim to the first byte, three timeouts for a slow response, and the time to store it."""
    settings = Settings(scm_connect_seconds=10, scm_read_seconds=60)

    assert grace(settings) == SEND_WITHIN + DRIPS * 60 + STORING


def test_longer_time_outs_mean_a_longer_grace() -> None:
    longer = Settings(scm_connect_seconds=2 * SEND_WITHIN, scm_read_seconds=100)

    assert grace(longer) == 2 * SEND_WITHIN + DRIPS * 100 + STORING


def test_containers_are_given_longer_than_a_worker_takes() -> None:
    (seconds,) = re.findall(
        r"^x-certline:.*?stop_grace_period: (\d+)s$", COMPOSE.read_text(), re.MULTILINE | re.DOTALL
    )

    # Dramatiq's manager and its consumers take a few seconds too.
    assert int(seconds) >= grace(Settings()) + 10
