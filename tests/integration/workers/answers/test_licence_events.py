"""Tests of the licence's events: exhausted once, not once for each held order; its end, announced beforehand."""

from datetime import UTC, date, timedelta

import pytest
from sqlalchemy import select

from certline.models import Outbox
from certline.models.audit.identity import Identity
from certline.models.certificates.license import License, license_use
from certline.models.database.session import clock
from certline.models.validation import BadCommandError
from certline.producers.requests.license import set_license
from certline.producers.sweep import sweep
from tests.integration.workers.conftest import Bench
from tests.integration.workers.succession import go_on, renewal, stored, until_stored


def told(bench: Bench, kind: str) -> list[dict[str, object]]:
    with bench.database.transaction() as db:
        query = select(Outbox.body).where(Outbox.routing_key == kind).order_by(Outbox.id)
        return [body["data"] for body in db.scalars(query)]


def today(bench: Bench) -> date:
    with bench.database.transaction() as db:
        return clock(db).astimezone(UTC).date()


def ends_in(bench: Bench, days: int) -> None:
    """Let the licence's last day be so many days from today, without announcing it anew."""
    with bench.database.transaction() as db:
        db.get_one(License, 1).valid_until = clock(db).astimezone(UTC).date() + timedelta(days)


def swept(bench: Bench) -> None:
    with bench.database.transaction() as db:
        sweep(db, bench.line.settings.settle)


def names(*hosts: str) -> list[str]:
    return [f"{host}.nordhafen.example" for host in hosts]


def test_an_exhausted_licence_is_told_once_however_many_orders_are_held(bench: Bench) -> None:
    set_license(bench.database, 0, requested_by=Identity("os:ida"))
    held = [bench.place(common_name=name) for name in names("a", "b", "c")]
    go_on(bench)
    assert [event["held"] for event in told(bench, "license.exhausted")] == [1]

    # One line more: two are still held, so it is still the same exhaustion.
    set_license(bench.database, 1, requested_by=Identity("os:ida"))
    bench.place(common_name="d.nordhafen.example")
    go_on(bench)
    assert len(told(bench, "license.exhausted")) == 1

    set_license(bench.database, 4, requested_by=Identity("os:ida"))
    for order in held:
        until_stored(bench, order)
    bench.place(common_name="e.nordhafen.example")
    go_on(bench)
    assert len(told(bench, "license.exhausted")) == 2


def test_after_the_end_new_lines_are_held_and_nothing_else_stops(bench: Bench) -> None:
    certificate = stored(bench)
    ends_in(bench, -1)

    until_stored(bench, renewal(bench, certificate))
    new = bench.place(common_name="shop.nordhafen.example")
    go_on(bench)

    assert bench.order(new).status == "held"
    assert f"ended on {today(bench) - timedelta(1)}" in (bench.order(new).error or "")
    with bench.database.transaction() as db:
        use = license_use(db)
    assert (use.available, use.held, use.ended) == (0, 1, True)

    _, released = set_license(
        bench.database, 500, until=today(bench) + timedelta(365), requested_by=Identity("os:ida")
    )
    assert released == 1
    until_stored(bench, new)


def test_on_its_last_day_the_licence_still_holds(bench: Bench) -> None:
    ends_in(bench, 0)

    stored(bench)

    with bench.database.transaction() as db:
        assert license_use(db).days_left == 1


def test_the_end_is_told_beforehand_once_for_each_threshold_and_again_for_another_end(
    bench: Bench,
) -> None:
    set_license(
        bench.database, 10, until=today(bench) + timedelta(60), requested_by=Identity("os:ida")
    )
    swept(bench)
    assert told(bench, "license.expiring") == []

    for days in (29, 20, 5, -1, -2):
        ends_in(bench, days)
        swept(bench)
        swept(bench)

    expiring = told(bench, "license.expiring")
    assert [(event["days"], event["days_left"]) for event in expiring] == [(30, 30), (7, 6), (0, 0)]

    set_license(
        bench.database, 10, until=today(bench) + timedelta(2), requested_by=Identity("os:ida")
    )
    swept(bench)
    assert told(bench, "license.expiring")[-1]["days"] == 3


def test_a_capacity_alone_keeps_the_end_and_never_removes_it(bench: Bench) -> None:
    end = today(bench) + timedelta(100)
    set_license(bench.database, 10, until=end, requested_by=Identity("os:ida"))

    kept, _ = set_license(bench.database, 20, requested_by=Identity("os:ida"))
    endless, _ = set_license(bench.database, 20, until="never", requested_by=Identity("os:ida"))

    assert (kept.capacity, kept.valid_until) == (20, end)
    assert (endless.valid_until, endless.days_left) == (None, None)
    with pytest.raises(BadCommandError, match="in the past"):
        set_license(bench.database, 20, until=date(2020, 1, 1), requested_by=Identity("os:ida"))
