"""The drill in its short form: what `make drill` plays, with each way to back up."""

import pytest

from tests.drill.backups import WAYS
from tests.drill.figures import table
from tests.drill.play import Drill

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("way", WAYS)
def test_after_a_restore_nothing_is_ordered_twice_and_each_certificate_is_here(way: str) -> None:
    found = Drill(12, 10, way, settle=2, rate=1000, say=print).play()

    assert found.faults == [], table(found)
    assert found.found["keys_lost"] >= found.lost > 0
    assert found.times.lost > 0
    assert all(seconds < 60 for seconds in found.times.phases().values())
    assert found.calls.total() > 0
