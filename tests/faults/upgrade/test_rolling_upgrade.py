"""Test of an upgrade with nothing stopped: both versions work on the newer tables, and each may be killed."""

import random
from collections.abc import Iterator
from itertools import product

import pytest
import requests

from certline.simulator.server import Simulator
from tests.faults.upgrade.two_versions import PARTS, TwoVersions, Version
from tests.servers import PostgresServer
from tests.support.deployment import Plant
from tests.support.documented_events import wrong_in
from tests.support.last_release import ROOT, NoReleaseError, installed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SEED = 1
# Commands in each phase, and between two kills.
SHARE, BETWEEN = 10, 3
VICTIMS = list(product(Version, PARTS))


@pytest.fixture
def line(postgres: PostgresServer, vhost: str, simulator: Simulator) -> Iterator[TwoVersions]:
    """Yield a line whose tables are migrated while the last release works; without its source, the test fails."""
    try:
        last = installed()
    except NoReleaseError as missing:
        pytest.fail(str(missing))
    requests.post(f"{simulator.door}/settings", json={"issue_after_ms": 50}, timeout=30)
    with postgres.database() as url, Plant(url, vhost) as plant:
        line = TwoVersions(last, plant, vhost, simulator)
        try:
            yield line
        finally:
            line.stage.stop_parts()
        assert wrong_in(url) == []


def test_the_last_release_and_this_version_work_side_by_side(line: TwoVersions) -> None:
    assert line.last.origin() == line.last.folder != ROOT
    line.begin(SEED, 4 * SHARE + BETWEEN * len(VICTIMS))
    others = PARTS.keys() - {"worker"}

    # What one version writes and publishes, the other one reads.
    line.run_only({Version.LAST: others, Version.THIS: ["worker"]})
    line.ask(SHARE)
    line.settle()
    line.run_only({Version.THIS: others, Version.LAST: ["worker"]})
    line.ask(SHARE)
    line.settle()

    line.run_only(dict.fromkeys(Version, PARTS))
    for victim in random.Random(SEED).sample(VICTIMS, len(VICTIMS)):  # noqa: S311
        line.ask(BETWEEN)
        line.kill(*victim)
    line.stage.until_well()
    line.let_time_pass()

    # The upgrade is finished, and then taken back.
    for version in (Version.THIS, Version.LAST):
        line.run_only({version: PARTS})
        line.ask(SHARE)
        line.stage.place()  # newer than all unclear orders: proves that SCM's list is current
        line.settle()
    assert line.stage.finish(timeout=180) == []
