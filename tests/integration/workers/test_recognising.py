"""Tests of recognising a record at SCM as ours, possibly ours, or certainly not ours."""

from certline.models import OrderStatus
from tests.integration.workers.conftest import Bench
from tests.integration.workers.lookups import (
    LONG,
    enrolled_by_a_stranger,
    evidence,
    lost,
    reconciled,
)


def test_a_record_that_only_the_report_shows_is_found(bench: Bench) -> None:
    bench.settings(list_lag_ms=3_600_000)
    command = lost(bench, "drop_after")

    assert reconciled(bench, command).status is OrderStatus.PENDING
    assert evidence(bench, command)[0].data["found"][0]["source"] == "report"


def test_an_order_without_its_reference_is_known_by_its_public_key(bench: Bench) -> None:
    command = lost(bench, "drop_after", comments=LONG)

    reconciled(bench, command)

    (event,) = evidence(bench, command)
    assert bench.order(command).status is OrderStatus.PENDING
    assert "its certificate has our public key" in (event.why or "")


def test_a_record_that_may_be_ours_is_for_a_person(bench: Bench) -> None:
    bench.settings(auto_approve=False)
    command = lost(bench, "drop_after", comments=LONG)

    statuses = [reconciled(bench, command).status for _ in range(2)]

    order = bench.order(command)
    assert statuses == [OrderStatus.SENDING, OrderStatus.REVIEW]
    assert "nothing proves it" in (order.error or "")
    assert [found["scm_id"] for found in order.found] == [bench.orders_at_scm()[0]["sslId"]]


def test_a_record_that_is_surely_anothers_is_not_adopted(bench: Bench) -> None:
    command = lost(bench, "drop_before")
    stranger = enrolled_by_a_stranger(bench, command, comments="[certline:01JQ8Z5N3V7K]")
    bench.run(bench.place(common_name="witness.nordhafen.example").id)

    for _ in range(2):
        reconciled(bench, command)

    found = evidence(bench, command)[-1].data["found"]
    assert [(each["scm_id"], each["match"]) for each in found] == [(stranger, "no")]
    assert bench.order(command).status is OrderStatus.PLACED


def test_an_order_that_scm_has_twice_is_for_a_person(bench: Bench) -> None:
    command = lost(bench, "drop_after")
    comments = bench.orders_at_scm()[0]["comments"]
    second = enrolled_by_a_stranger(bench, command, comments=comments)

    order = reconciled(bench, command)

    assert order.status is OrderStatus.REVIEW
    assert f"SCM has it 2 times: {second - 1}, {second}" in (order.error or "")


def test_a_profile_that_adds_www_is_recognised(bench: Bench) -> None:
    bench.settings(www_profiles=[21790])
    command = lost(bench, "drop_after", comments=LONG, common_name="nordhafen.example")

    assert reconciled(bench, command).status is OrderStatus.PENDING
