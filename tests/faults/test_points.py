"""Tests of the registry of points: every effect has a story, and every story its effects."""

import pytest

from tests.faults.effects import CALL, MESSAGE, TRANSACTION, effects, effects_in
from tests.faults.groups import GROUPS
from tests.faults.harmless import HARMLESS
from tests.faults.points import STORIES

TOLD = [effect for known in STORIES.values() for effect in known]

SOURCE = """
def settle(line, channel, scm):
    with line.database.transaction() as db:
        pass
    line.store(partial(_record, claim=claim))
    line.store(lambda db: _record(db))
    line.scm(account).renew(18440127, csr)
    channel.basic_ack(1)
    "not one".replace("not", "")
    part.run()
"""


def test_each_effect_of_the_line_has_a_story() -> None:
    untold = [
        effect.name
        for effect in effects()
        if effect.name not in HARMLESS and effect.name not in TOLD
    ]

    assert untold == [], "tests/faults/points.py: tell how a process dies there"


def test_each_story_is_about_effects_that_exist() -> None:
    assert set(TOLD) | set(HARMLESS) <= {effect.name for effect in effects()}


def test_each_story_is_told_once() -> None:
    told = [story for group in GROUPS.values() for story in group]

    assert sorted(map(repr, told)) == sorted(map(repr, STORIES))


@pytest.mark.parametrize("effect", HARMLESS)
def test_what_is_harmless_has_no_story_besides(effect: str) -> None:
    assert effect not in TOLD


def test_a_new_effect_is_seen() -> None:
    seen = effects_in(SOURCE, "workers/settling.py")

    assert [(effect.name, effect.kind) for effect in seen] == [
        ("workers.settling:settle transaction", TRANSACTION),
        ("workers.settling:settle store _record", TRANSACTION),
        ("workers.settling:settle store _record 2", TRANSACTION),
        ("workers.settling:settle call renew", CALL),
        ("workers.settling:settle basic_ack", MESSAGE),
    ]
