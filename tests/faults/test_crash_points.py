"""Fault tests that kill a process with -9 right before and right after each of its effects, and check the end
state.
"""

import pytest

from tests.faults.crashes.points import STORIES
from tests.faults.crashes.runner import points_of
from tests.faults.harness.scenario import Stage
from tests.faults.harness.story_group import GROUPS

# The group that the fast tests run.
FAST = "an order"


@pytest.mark.parametrize(
    "group",
    [FAST, *(pytest.param(group, marks=pytest.mark.slow) for group in GROUPS if group != FAST)],
)
def test_killed_at_each_point_of(stage: Stage, group: str) -> None:
    for story in GROUPS[group]:
        story(stage, points_of(STORIES[story]))

    stage.age()
    stage.start("worker")
    stage.place()  # newer than all others at SCM: it proves SCM's list current

    assert stage.finish() == []
