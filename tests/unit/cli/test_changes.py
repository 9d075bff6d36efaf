"""Tests of the sentences that report what a sync changed."""

from certline.cli.waiting.wait import changes

QUIET = {"total": 4, "added": 0, "changed": 0, "gone": 0, "names": {}}


def test_a_sync_that_changed_nothing_says_so() -> None:
    assert list(changes({"account": "hafen", "custom_fields": QUIET})) == [
        "4 custom fields: nothing has changed"
    ]


def test_changes_are_named_as_far_as_their_names_are_known() -> None:
    counts = {
        "total": 30,
        "added": 22,
        "changed": 0,
        "gone": 1,
        "names": {"added": ["a.example", "b.example"], "gone": ["c.example"]},
    }

    assert list(changes({"domains": counts, "organizations": QUIET | {"added": 4}})) == [
        "4 organisations: 4 added",
        "30 domains: 22 added (a.example, b.example and 20 more); 1 gone (c.example)",
    ]
