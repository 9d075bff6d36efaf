"""The short form of `make faults`: every part is killed at random moments while mixed commands come."""

import pytest

from tests.faults import random_kills
from tests.faults.stage import Stage


@pytest.mark.parametrize("seed", [1, 2])
def test_whoever_is_killed_at_random_the_world_is_right_in_the_end(stage: Stage, seed: int) -> None:
    outcome = random_kills.run(stage, seed, commands=25)

    assert outcome.wrong == [], f"make faults SEED={seed} FAULTS='--commands 25'"
    assert outcome.died.total() >= 4, outcome.died
