"""CLI tests of schedules: changing when a job runs."""

from tests.integration.cli.conftest import Typist


def test_a_schedule_is_changed_and_listed_so(typist: Typist) -> None:
    changed = typist.json(
        "schedule", "set", "sync", "--cron", "15 3 * * 1", "--tz", "Europe/Berlin"
    )

    assert (changed["cron"], changed["tz"], changed["enabled"]) == (
        "15 3 * * 1",
        "Europe/Berlin",
        True,
    )
    assert changed in typist.json("schedule", "list")
    assert "next" in typist.types("schedule", "set", "sync", "--cron", "15 4 * * 1")


def test_a_schedule_that_is_switched_off_says_what_stops(typist: Typist) -> None:
    said = typist.types("schedule", "set", "auto-renew", "--off")

    assert "auto-renew is off" in said
    assert "no certificate is renewed automatically" in said
    assert typist.json("schedule", "set", "auto-renew", "--on")["enabled"] is True


def test_a_change_that_cannot_be_is_refused_with_what_is_wrong(typist: Typist) -> None:
    before = typist.json("schedule", "list")

    assert "five fields" in typist.types("schedule", "set", "sync", "--cron", "daily", code=2)
    assert "time zone" in typist.types("schedule", "set", "sync", "--tz", "Mars", code=2)
    assert "known schedules" in typist.types("schedule", "set", "tea", "--on", code=1)
    assert "--cron" in typist.types("schedule", "set", "sync", code=2)
    assert typist.json("schedule", "list") == before
