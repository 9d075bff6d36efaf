"""Tests that an import that is killed or fails continues with what is not stored yet."""

from datetime import datetime
from typing import Any

import pytest
import requests

from certline.models import AccountStatus, Command, CommandStatus, CommandType, OrderStatus
from certline.models.audit.identity import Identity
from certline.models.commands.command import MOST_RESTARTS
from certline.producers.requests.accounts import lift_suspension
from certline.producers.sweep import sweep
from certline.workers.importing import group_storage, intake, record_reader
from certline.workers.importing.intake import take_in
from certline.workers.importing.line_assignment import Entry
from certline.workers.steps import import_batch, import_orders
from tests.integration.imports.conftest import FLEET, Estate
from tests.integration.workers.succession import LONG_AGO

pytestmark = pytest.mark.slow

GROUP = 10


class Killed(BaseException):
    """Raised to end a step as kill -9 does: at any place, without cleaning up."""


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make transactions hold few records, so that a batch has several."""
    monkeypatch.setattr(record_reader, "GROUP", GROUP)


@pytest.mark.usefixtures("small_groups")
def test_killed_in_a_batch_nothing_that_is_stored_is_asked_for_again(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = estate.counts()
    command = estate.ask()
    estate.run(command.id)
    groups = iter(range(100))

    def killed_in_the_third(*args: object, **named: object) -> object:
        if next(groups) == 2:
            raise Killed
        return take_in(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(group_storage, "take_in", killed_in_the_third)
    with pytest.raises(Killed):
        estate.run_kinds(CommandType.IMPORT_BATCH)
    stored = len(estate.orders())
    asked = estate.counts()
    (batch,) = estate.running(CommandType.IMPORT_BATCH)
    estate.run(batch.id)  # RabbitMQ delivers its message once more
    result = estate.finish(command)

    assert stored == 2 * GROUP
    assert asked[1] == before[1] + 3 * GROUP
    assert estate.counts()[1] == before[1] + FLEET + GROUP
    assert len(estate.orders()) == result["news"]["new"] == FLEET
    assert result["stored"] == len(estate.certificates())


def test_killed_while_it_reads_the_list_it_goes_on_at_that_page(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    estate.settings(page_max=20, cut_page_size=True)
    command = estate.ask()
    lists = estate.counts()[0]
    pages = iter(range(100))
    note = import_orders.note_page

    def killed_at_the_second(*args: object, **named: object) -> None:
        if next(pages) == 1:
            raise Killed
        note(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(import_orders, "note_page", killed_at_the_second)
    with pytest.raises(Killed):
        estate.run(command.id)
    noted = len(estate.records(command))
    result = estate.finish(estate.run(command.id))

    assert noted == 20
    assert result["listed"] == result["total"] == FLEET
    assert estate.counts()[0] == lists + 4  # three pages, and the second one twice


def test_an_import_gives_way_after_a_while_and_goes_on(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_orders, "SLICE", -1)
    monkeypatch.setattr(import_batch, "SLICE", -1)
    estate.settings(page_max=20, cut_page_size=True)
    before = estate.counts()

    result = estate.take_in()

    issued = len(estate.ids_at_scm("Issued"))
    assert result["listed"] == FLEET
    assert estate.counts() == (before[0] + 3, before[1] + FLEET, before[2] + issued)


def test_rows_that_move_between_two_pages_are_neither_lost_nor_doubled(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_orders, "SLICE", -1)
    estate.settings(page_max=15, cut_page_size=True, newest_first=True)
    command = estate.ask()
    estate.run(command.id)
    late = [estate.order_by_a_stranger(f"late{number}.nordhafen.example") for number in range(20)]
    imported = [
        each["sslId"]
        for each in estate.orders_at_scm()
        if estate.by_a_stranger("GET", f"/ssl/v1/{each['sslId']}")["requestedVia"] == "Imported"
    ]
    estate.run(command.id)
    gone = imported[-1]
    estate.by_a_stranger("DELETE", f"/ssl/v1/{gone}")

    result = estate.finish(command)

    there = {each["sslId"] for each in estate.orders_at_scm()}
    assert there - set(late) <= set(estate.orders()) <= there | {gone}
    assert result["listed"] == len(estate.orders()) + result["failed"]


@pytest.mark.parametrize("most", [3, 50])
def test_pages_of_any_size_bring_every_order_once(estate: Estate, most: int) -> None:
    estate.settings(page_max=most, cut_page_size=True)

    result = estate.take_in()

    assert result["listed"] == len(estate.orders()) == FLEET


def test_two_imports_at_once_double_nothing(estate: Estate) -> None:
    first, second = estate.ask(), estate.ask()
    estate.run(first.id)
    estate.run(second.id)

    results = [estate.finish(first), estate.finish(second)]

    assert [each["failed"] for each in results] == [0, 0]
    assert sum(each["news"]["new"] for each in results) == len(estate.orders()) == FLEET
    assert len(estate.certificates()) == len(estate.ids_at_scm("Issued"))


def test_a_record_that_scm_cannot_show_is_listed_and_stops_nothing(estate: Estate) -> None:
    broken, refused = estate.ids_at_scm("Issued")[:2]
    estate.fault("GET", f"/ssl/v1/{broken}$", "garbage", times=None)
    estate.fault("GET", f"/ssl/v1/{refused}$", "status", status=400, body='{"code": -3}')
    command = estate.ask()

    result = estate.finish(command)

    assert (result["failed"], result["news"]["new"]) == (2, FLEET - 2)
    assert {each["scm_id"] for each in result["failures"]} == {broken, refused}
    assert [each.scm_id for each in estate.records(command)] == sorted([broken, refused])
    assert "not JSON" in (estate.records(command)[0].reason or "")
    requests.delete(f"{estate.simulator.door}/faults", timeout=30)
    assert estate.take_in()["stored"] == 2


def test_a_certificate_that_cannot_be_used_puts_its_order_before_a_person(estate: Estate) -> None:
    strange = estate.ids_at_scm("Issued")[0]
    root = requests.get(f"{estate.simulator.door}/root.pem", timeout=30).text
    estate.fault("GET", f"collect/{strange}", "status", status=200, body=root)
    command = estate.ask()

    result = estate.finish(command)

    order = estate.orders()[strange]
    assert order.status is OrderStatus.REVIEW
    assert "its certificate cannot be stored" in (order.error or "")
    assert (result["failed"], result["failures"][0]["scm_id"]) == (1, strange)
    assert result["stored"] == len(estate.ids_at_scm("Issued")) - 1


def test_a_certificate_that_is_not_ready_yet_is_fetched_later(estate: Estate) -> None:
    early = estate.ids_at_scm("Issued")[0]
    pending = '{"code": 0, "description": "Being processed by Sectigo"}'
    estate.fault("GET", f"collect/{early}", "status", status=400, body=pending)

    result = estate.take_in()
    estate.go_on()

    assert result["failed"] == 0
    assert estate.orders()[early].status is OrderStatus.STORED


def test_a_record_that_postgres_will_not_take_spoils_only_itself(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoilt = estate.ids_at_scm("Issued")[0]
    row = intake._order

    def nameless(entry: Entry, now: datetime) -> dict[str, Any]:
        columns = row(entry, now)
        return columns | ({"organization_name": None} if columns["scm_id"] == spoilt else {})

    monkeypatch.setattr(intake, "_order", nameless)

    result = estate.take_in()

    assert (result["failed"], result["news"]["new"]) == (1, FLEET - 1)
    assert "could not be stored" in result["failures"][0]["reason"]


def test_a_busy_scm_costs_an_import_only_time(estate: Estate) -> None:
    estate.fault("GET", r"/ssl/v1/\d+$", "status", status=429, retry_after=1, times=3)
    estate.fault("GET", "collect", "status", status=503, times=3)

    result = estate.take_in()

    assert (result["failed"], result["listed"]) == (0, FLEET)


def test_a_login_that_is_refused_stops_all_batches_until_it_is_verified(estate: Estate) -> None:
    command = estate.ask()
    estate.run(command.id)
    estate.fault("GET", r"/ssl/v1/\d+$", "status", status=401)
    estate.run_kinds(CommandType.IMPORT_BATCH)
    calls = estate.counts()

    assert estate.account().status is AccountStatus.SUSPENDED
    assert not [each for each in estate.due() if each.type is CommandType.IMPORT_BATCH]
    with estate.database.transaction() as db:
        lift_suspension(db, db.merge(estate.account()), who=Identity("os:ida"))
    assert [each.type for each in estate.due()] == [CommandType.IMPORT_BATCH]
    assert estate.counts() == calls

    assert estate.finish(command)["listed"] == FLEET


def test_a_batch_that_kills_its_workers_is_given_up_and_the_import_ends(estate: Estate) -> None:
    command = estate.ask()
    estate.run(command.id)
    with estate.database.transaction() as db:
        (batch,) = [each for each in estate.due() if each.type is CommandType.IMPORT_BATCH]
        row = db.get_one(Command, batch.id)
        row.status, row.restarts = CommandStatus.RUNNING, MOST_RESTARTS

    estate.run(batch.id)

    ended = estate.command(command.id)
    assert estate.command(batch.id).status is CommandStatus.REVIEW
    assert ended.status is CommandStatus.DONE
    assert (ended.result or {})["failed"] == FLEET


def test_the_sweep_leaves_an_import_alone_whose_batches_are_on_their_way(estate: Estate) -> None:
    command = estate.ask()
    estate.run(command.id)
    with estate.database.transaction() as db:
        db.get_one(Command, command.id).touched_at -= LONG_AGO

        sweep(db, estate.line.settings.settle)

    assert estate.command(command.id).restarts == 0
    assert command.id not in {each.id for each in estate.due()}


def test_an_import_whose_batches_have_no_command_gives_them_one(estate: Estate) -> None:
    command = estate.ask()
    estate.run(command.id)
    with estate.database.transaction() as db:
        for batch in estate.due():
            if batch.type is CommandType.IMPORT_BATCH:
                db.get_one(Command, batch.id).status = CommandStatus.FAILED

    estate.run(command.id)  # woken by the sweep, or retried by an operator

    assert estate.finish(command)["listed"] == FLEET
    assert len(estate.orders()) == FLEET
