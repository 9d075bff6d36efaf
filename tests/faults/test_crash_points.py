"""Fault tests that kill a process with -9 right before and right after each of its effects, and check the end
state.
"""

import pytest

from tests.faults.groups import GROUPS
from tests.faults.killing import points_of
from tests.faults.points import STORIES
from tests.faults.stage import Stage


@pytest.mark.parametrize("group", GROUPS)
def test_killed_at_each_point_of(stage: Stage, group: str) -> None:
    for story in GROUPS[group]:
        story(stage, points_of(STORIES[story]))

    stage.age()
    stage.start("worker")
    stage.place()  # newer than all others at SCM: it proves SCM's list current

    assert stage.finish() == []
