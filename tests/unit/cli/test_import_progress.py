"""Tests of the progress reported for an import."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from certline.cli.errors import DONE, FAILED, WAITS
from certline.cli.ui.import_progress import import_ending, import_progress
from certline.cli.waiting.state import WaitView, judge
from certline.models import Command, CommandStatus, CommandType
from certline.models.imports.record import News, RecordStatus
from certline.models.imports.run import ImportRun, new_run

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def a_run(**counts: Any) -> ImportRun:
    run = new_run("C1", "demo", first=True)
    for name, value in counts.items():
        setattr(run, name, value)
    return run


def an_import(**counts: Any) -> Command:
    return Command(
        id="C1",
        type=CommandType.IMPORT,
        status=CommandStatus.RUNNING,
        payload={},
        result=a_run(**counts).result(),
        started_at=NOON,
    )


def ended(**counts: Any) -> Command:
    command = an_import(**counts)
    command.status = CommandStatus.DONE
    command.result = a_run(**counts).final_result()
    return command


def test_every_status_of_a_record_and_every_kind_of_news_is_counted() -> None:
    run = a_run()

    run.count(Counter(RecordStatus), Counter(News))
    run.count({RecordStatus.WAITING: -1})

    result = run.result()
    assert [result[status] for status in RecordStatus] == [0] + [1] * (len(RecordStatus) - 1)
    assert result["news"] == dict.fromkeys(News, 1)


def test_the_result_of_an_import_has_no_field_that_is_needed_only_to_resume_it() -> None:
    assert set(a_run().result()) - set(a_run().final_result()) == {
        *("first", "listing", "look", "position", "batches", "waiting")
    }


def test_progress_has_counts_rate_and_the_time_that_is_left() -> None:
    counts = {"stored": 3000, "held": 310, "failed": 2, "closed": 888, "waiting": 5800}
    command = an_import(listing=False, listed=10000, total=10000, **counts)

    said = import_progress(command, NOON + timedelta(seconds=42))

    assert said == "4,200 of 10,000, 310 held, 2 failed; 100 a second, 58 s left"


def test_what_is_known_already_makes_no_rate() -> None:
    command = an_import(listing=False, listed=100, total=100, known=100)

    assert import_progress(command, NOON + timedelta(seconds=5)) == "100 of 100"


def test_while_the_list_is_read_the_time_left_is_estimated_from_scms_total() -> None:
    command = an_import(listed=400, total=10000, waiting=350, stored=50)

    said = import_progress(command, NOON + timedelta(seconds=5))

    assert said == "50 of 10,000; 10 a second, 17 min left, and the list is being read"


def test_records_that_are_stored_already_take_no_time() -> None:
    command = an_import(listed=400, total=10000, known=300, waiting=50, stored=50)

    said = import_progress(command, NOON + timedelta(seconds=5))

    assert said == "350 of 10,000; 10 a second, 4 min left, and the list is being read"


@pytest.mark.parametrize("total", [None, 0, 10**18])
def test_a_total_that_scm_does_not_know_gives_no_nonsense(total: int | None) -> None:
    command = an_import(listed=100, total=total, waiting=50, stored=50)

    said = import_progress(command, NOON + timedelta(seconds=5))

    assert "left" not in said if total == 10**18 else "5 s left" in said


def test_an_import_that_has_not_begun_is_queued() -> None:
    command = an_import()
    command.status, command.result = CommandStatus.QUEUED, None

    assert import_progress(command) == "queued"


def test_long_imports_are_counted_in_minutes_and_hours() -> None:
    slow = an_import(listing=False, listed=20000, total=20000, stored=1000, waiting=19000)

    assert import_progress(slow, NOON + timedelta(minutes=10)).endswith("3.2 h left")


def test_the_end_of_an_import_says_what_has_come_of_it() -> None:
    assert import_ending(ended(stored=3, closed=1, known=7).result or {}) == (
        "3 stored, 1 closed, 7 known"
    )
    assert import_ending(ended().result or {}) == "SCM has no such order"


def test_an_import_that_holds_something_waits_for_a_licence() -> None:
    held = judge(WaitView(ended(stored=100, held=900, failed=1), None, None))

    assert held is not None
    assert held.code == WAITS
    assert "900 held" in held.text
    assert "certline license set N" in held.text


def test_an_import_that_could_not_take_something_in_has_failed_and_says_where_to_look() -> None:
    failed = judge(WaitView(ended(stored=9, failed=1), None, None))

    assert failed is not None
    assert failed.code == FAILED
    assert "certline command show C1" in failed.text


def test_an_import_that_went_well_is_done() -> None:
    done = judge(WaitView(ended(stored=9), None, None))

    assert done is not None
    assert (done.code, done.text) == (DONE, "done: 9 stored")
