"""Tests of the figures: what they count, how long they are kept, and that one process counts for all."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, func, text, update

from certline.models import (
    AutoRenewDecision,
    AutoRenewRun,
    Database,
    MetricSample,
    OrderStatus,
    Schedule,
    ScheduleRun,
)
from certline.models.database.base import new_id
from certline.models.database.session import clock
from certline.models.figures import sample
from certline.models.figures.catalogue import BY_NAME, Readings, reading
from certline.models.figures.sample import figures_now, samples, scrape, take
from certline.models.figures.stock import first_id_at, renewals_of_a_day
from certline.models.states import Decision, DecisionCode
from tests.integration.producers.estate import DAY
from tests.support.factories import a_certificate, an_account, an_order


def older(database: Database, by: timedelta, seconds: float = 0.0) -> None:
    """Make all samples that much older, as if counting them had taken so many seconds."""
    with database.transaction() as db:
        db.execute(update(MetricSample).values(taken_at=func.now() - by, seconds=seconds))


def another_order(database: Database, status: str = "stored") -> None:
    with database.transaction() as db:
        an_order(db, status=status)


def stored(found: Readings) -> float:
    return reading(found, "certline_orders", status="stored")


def test_figures_are_counted_once_for_all_scrapes(database: Database) -> None:
    another_order(database)
    first, _ = scrape(database)
    another_order(database)
    second, age = scrape(database)

    assert (stored(first), stored(second)) == (1, 1)
    assert age < sample.FRESH.total_seconds()


def test_figures_are_counted_again_after_postgres_clock_was_set_back(database: Database) -> None:
    scrape(database)
    another_order(database)
    older(database, -timedelta(hours=1))

    found, age = scrape(database)

    assert stored(found) == 1
    assert 0 <= age < sample.FRESH.total_seconds()


def test_figures_that_are_too_old_are_not_shown(database: Database) -> None:
    scrape(database)
    another_order(database)
    older(database, sample.KEEP + sample.FRESH + timedelta(seconds=1))

    found, age = scrape(database)

    assert stored(found) == 1
    assert age < sample.FRESH.total_seconds()


def test_old_figures_are_shown_once_more_and_counted_again_for_the_next_scrape(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    scrape(database)
    another_order(database)
    older(database, sample.FRESH + timedelta(seconds=1))

    class Thread:
        def __init__(self, *, args: tuple[Database, list[str]], daemon: bool, **_: object) -> None:
            assert daemon
            self.args = args

        def start(self) -> None:
            sample._count_again(*self.args)

    monkeypatch.setattr(threading, "Thread", Thread)

    assert stored(scrape(database)[0]) == 0
    assert stored(scrape(database)[0]) == 1


def test_what_takes_long_is_counted_the_less_often(database: Database) -> None:
    scrape(database)
    older(database, timedelta(minutes=3), seconds=2)
    with database.transaction() as db:
        assert not take(db, "stock")  # two seconds of work are due once in 200
    older(database, timedelta(minutes=4), seconds=2)
    with database.transaction() as db:
        assert take(db, "stock")


def test_one_process_counts_at_a_time(database: Database) -> None:
    with database.transaction() as db, database.transaction() as other:
        assert take(db, "flow")
        assert not take(other, "flow")
        assert take(other, "stock")
    with database.transaction() as db:
        assert not take(db, "flow")  # it is fresh
        assert set(samples(db)) == {"flow", "stock"}


def test_each_figure_is_in_the_catalogue_with_the_labels_that_it_says(database: Database) -> None:
    an_estate(database)

    found = database.run(figures_now)

    for name, readings in found.items():
        for labels, _ in readings:
            wanted = {"le"} if BY_NAME[name].is_histogram else set(BY_NAME[name].labels)
            assert set(labels) == wanted, name
    # A figure that is missing without a cause would be an alert that never fires.
    assert set(BY_NAME) - set(found) <= {
        "certline_license_days_until_full",
        "certline_certificate_unattended_end_timestamp_seconds",
    }


def an_estate(database: Database) -> None:
    """Store an account, an order and a run of auto-renewal with a decision."""
    with database.transaction() as db:
        order = an_order(db)
        run = AutoRenewRun(requested_by="os:test", ended_at=func.now())
        db.add(run)
        db.flush()
        db.add(a_decision(run, Decision.REFUSED, DecisionCode.VALIDATION_ENDED))
        assert order.status is OrderStatus.PLACED


def a_decision(run: AutoRenewRun, decision: Decision, code: DecisionCode) -> AutoRenewDecision:
    return AutoRenewDecision(
        run_id=run.id,
        certificate_id=new_id(),
        common_name="www.nordhafen.example",
        not_after=datetime.now(UTC),
        decision=decision,
        code=code,
        selected_by="rule",
    )


def test_refusals_of_the_last_run_are_counted_by_the_kind_of_reason(database: Database) -> None:
    an_estate(database)

    found = database.run(figures_now)

    assert found["certline_auto_renew_last_run"] == [
        ({"decision": "refused", "reason": "validation_ended"}, 1)
    ]
    assert reading(found, "certline_renewals_day", outcome="refused") == 1


def test_certificates_are_counted_by_the_days_that_they_last(database: Database) -> None:
    with database.transaction() as db:
        for days in (0.5, 5, 20, 200):
            ends = clock(db, days * DAY)
            a_certificate(db, not_before=ends - 300 * DAY, not_after=ends)

    readings = database.run(figures_now)["certline_certificate_days_left"]

    found = {labels["le"]: count for labels, count in readings}

    assert {bound: found[bound] for bound in ("0", "1", "7", "14", "30", "90", "+Inf")} == {
        "0": 0,
        "1": 1,
        "7": 2,
        "14": 2,
        "30": 3,
        "90": 3,
        "+Inf": 4,
    }
    assert found["sum"] == pytest.approx(225.5, abs=0.1)


def test_an_scm_that_never_failed_and_a_schedule_that_is_off_raise_no_alarm(
    database: Database,
) -> None:
    with database.transaction() as db:
        an_account(db, url="https://scm.test/api")
        db.execute(update(Schedule).where(Schedule.name == "poll").values(enabled=False))
        for name in ("poll", "sweep"):
            db.add(ScheduleRun(name=name, due=clock(db)))

    found = database.run(figures_now)

    assert reading(found, "certline_breaker_open", scm="https://scm.test/api") == 0
    ages = {labels["schedule"] for labels, _ in found["certline_schedule_good_run_age_seconds"]}
    assert ages == {"sweep"}


def test_renewals_of_the_last_day_are_counted_by_what_became_of_them(database: Database) -> None:
    with database.transaction() as db:
        for status in ("stored", "stored", "pending", "review", "rejected"):
            predecessor = a_certificate(db)
            an_order(db, kind="renewal", status=status, predecessor_id=predecessor.id)
        an_order(db, status="stored")
    with database.transaction() as db:
        found = renewals_of_a_day(db)

    assert {name: count for name, count in found.items() if count} == {
        "stored": 2,
        "under_way": 1,
        "review": 1,
        "rejected": 1,
    }


def test_a_renewal_that_was_placed_as_a_new_order_is_counted_as_one(database: Database) -> None:
    with database.transaction() as db:
        old = a_certificate(db)
        an_order(db, kind="new", status="rejected", predecessor_id=old.id)
        an_order(
            db, kind="import", status="stored", predecessor_id=old.id
        )  # renewed in SCM's portal
        found = renewals_of_a_day(db)

    assert {name: count for name, count in found.items() if count} == {"rejected": 1}


@pytest.mark.parametrize(
    ("status", "counted"),
    [
        ("pending", {"under_way": 1}),
        ("stored", {"stored": 1}),
        ("rejected", {"rejected": 2}),
    ],
)
def test_a_refused_renewal_no_longer_counts_once_it_is_ordered_again(
    database: Database, status: str, counted: dict[str, int]
) -> None:
    with database.transaction() as db:
        old = a_certificate(db)
        renewal: dict[str, Any] = {
            "kind": "renewal",
            "predecessor_id": old.id,
            "line_id": old.line_id,
        }
        an_order(db, status="rejected", **renewal)
        an_order(db, status=status, **renewal)
        found = renewals_of_a_day(db)

    assert {name: count for name, count in found.items() if count} == counted


def test_the_first_id_of_a_moment_is_not_above_those_that_are_made_from_then_on() -> None:
    now = datetime.now(UTC)

    assert first_id_at(now) <= new_id()
    assert first_id_at(now + timedelta(seconds=1)) > new_id()


def test_every_statement_of_what_is_in_motion_uses_an_index(database: Database) -> None:
    """However much is stored, only rows that are open are read: `Seq Scan` on the large tables would read all."""
    statements: list[tuple[str, object]] = []
    large = ("command", '"order"', "certificate", "outbox", "event ")

    def keep(_c: object, _u: object, words: str, given: object, *_: object) -> None:
        statements.append((words, given))

    event.listen(database.engine, "before_cursor_execute", keep)
    with database.transaction() as db:
        sample.COUNTS["flow"](db)
    event.remove(database.engine, "before_cursor_execute", keep)

    with database.engine.connect() as connection:
        connection.execute(text("SET enable_seqscan = off"))
        for words, given in statements:
            if not words.startswith("SELECT") or "pg_advisory" in words:
                continue
            rows = connection.exec_driver_sql(f"EXPLAIN {words}", given).scalars()  # type: ignore[arg-type]
            plan = "\n".join(rows)
            for table in large:
                assert f"Seq Scan on {table}" not in plan, f"{words}\n{plan}"
