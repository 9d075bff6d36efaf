"""Tests of the sync: SCM's data is mirrored completely, repeatably, and removed resources are marked."""

import threading
from typing import Any

import requests
from sqlalchemy import func, select, update

from certline.models import (
    Account,
    AccountStatus,
    CommandStatus,
    Database,
    Domain,
    OrderStatus,
    Organization,
    Profile,
)
from certline.models.audit.identity import Identity
from certline.models.commands.payloads import SyncCommand
from certline.producers.requests.catalogue import request_sync
from certline.simulator.server import Simulator
from tests.integration.workers.conftest import Bench
from tests.servers import until


def test_a_sync_brings_every_page_of_domains(bench: Bench) -> None:
    with bench.database.transaction() as db:
        domains = list(db.scalars(select(Domain)))
        departments = list(db.scalars(select(Organization).where(Organization.parent_id > 0)))

    assert len(domains) > 12  # SCM's first page, where no size is given
    assert departments


def test_a_second_sync_changes_nothing(bench: Bench) -> None:
    result = bench.sync().result

    assert result is not None
    for resource in ("organizations", "domains", "profiles", "custom_fields"):
        counts = result[resource]
        assert (counts["added"], counts["changed"], counts["gone"]) == (0, 0, 0)


def test_what_scm_no_longer_has_is_marked_and_kept(bench: Bench) -> None:
    with bench.database.transaction() as db:
        db.add(Profile(account_id=1, scm_id=77, name="Old profile", terms=[365], key_types={}))

    result = bench.sync().result

    with bench.database.transaction() as db:
        old = db.scalars(select(Profile).where(Profile.scm_id == 77)).one()
    assert result is not None
    assert result["profiles"]["gone"] == 1
    assert old.gone_at is not None


def test_the_answer_names_what_was_added_changed_and_is_gone(bench: Bench) -> None:
    at_scm(bench, "DELETE", "/domain/v1/40263")
    at_scm(bench, "PUT", "/domain/v1/40253/suspend")
    delegation = {"orgId": 9301, "certTypes": ["SSL"]}
    at_scm(bench, "POST", "/domain/v1", name="floe.example", delegations=[delegation])

    first, second = sync_domains(bench), sync_domains(bench)

    assert (first["added"], first["changed"], first["gone"]) == (1, 1, 1)
    assert first["names"] == {
        "added": ["floe.example"],
        "changed": ["press.example"],
        "gone": ["radiology.example"],
    }
    assert (second["added"], second["changed"], second["gone"]) == (0, 0, 0)


def test_what_comes_back_counts_as_added(bench: Bench) -> None:
    with bench.database.transaction() as db:
        domain = db.scalars(select(Domain).where(Domain.name == "press.example")).one()
        domain.gone_at = domain.synced_at

    assert sync_domains(bench)["names"] == {"added": ["press.example"]}

    with bench.database.transaction() as db:
        assert (
            db.scalars(select(Domain).where(Domain.name == "press.example")).one().gone_at is None
        )


def test_an_order_stays_readable_when_all_it_names_is_gone(bench: Bench) -> None:
    command = bench.place()
    with bench.database.transaction() as db:
        for table in (Organization, Profile, Domain):
            db.execute(update(table).values(gone_at=func.now()))

    bench.run(command.id)
    bench.make_due()
    while bench.run_due():
        pass

    order = bench.order(command)
    assert order.status is OrderStatus.STORED
    assert (order.organization_name, order.profile_name) == (
        "Nordhafen University",
        "OV Multi-Domain SSL",
    )


def test_an_organization_says_whether_it_takes_orders(bench: Bench) -> None:
    bench.settings(api_disabled_organizations=[9103])

    result = bench.sync().result

    assert result is not None
    assert result["organizations"]["names"] == {"changed": ["Library"]}
    with bench.database.transaction() as db:
        orders = {row.scm_id: row.orders for row in db.scalars(select(Organization))}
    assert (orders[9101], orders[9103]) == ("on", "off")


def test_a_departments_administrator_has_its_organization_by_name(
    database: Database, simulator: Simulator
) -> None:
    bench = Bench(database, simulator)
    with database.transaction() as db:
        db.scalars(select(Account)).one().login = "drao"

    assert bench.sync().status is CommandStatus.DONE

    with database.transaction() as db:
        orders = {row.scm_id: row.orders for row in db.scalars(select(Organization))}
    assert orders == {9101: None, 9102: "on"}


def test_a_domain_that_is_listed_and_not_shown_is_kept_and_one_that_went_is_gone(
    bench: Bench,
) -> None:
    bench.fault("GET", "/domain/v1/40240$", "status", status=404, body="")
    # Deleted while the sync waits for the record of the first domain of the list.
    bench.fault("GET", "/domain/v1/40211$", "delay", delay_ms=1500)
    before = bench.calls("GET /domain/v1/{id}")
    (command,) = request_sync(
        bench.database, SyncCommand(resources=["domains"]), requested_by=Identity("os:test")
    )
    syncing = threading.Thread(target=bench.run, args=(command.id,))

    syncing.start()
    until(lambda: bench.calls("GET /domain/v1/{id}") > before, 30)
    at_scm(bench, "DELETE", "/domain/v1/40252")
    syncing.join(30)

    result = bench.command(command.id).result
    assert result is not None
    names = result["domains"]["names"]
    assert names == {"changed": ["library.example"], "gone": ["alumni.example"]}


def test_a_sync_of_one_resource_leaves_the_others(database: Database, simulator: Simulator) -> None:
    bench = Bench(database, simulator)

    sync_domains(bench)

    with database.transaction() as db:
        assert db.scalars(select(Domain)).first() is not None
        assert db.scalars(select(Profile)).first() is None
    # The sync has not completed yet.
    assert bench.account().synced_at is None
    bench.sync()
    assert bench.account().synced_at is not None


def sync_domains(bench: Bench) -> dict[str, Any]:
    wanted = SyncCommand(resources=["domains"])
    (command,) = request_sync(bench.database, wanted, requested_by=Identity("os:test"))
    result = bench.run(command.id).result
    assert result is not None
    counts: dict[str, Any] = result["domains"]
    return counts


def at_scm(bench: Bench, method: str, path: str, **body: object) -> None:
    """Change something at SCM, as an administrator does."""
    login = {"login": "admin", "password": "secret", "customerUri": "demo"}
    url = bench.simulator.url + path
    requests.request(method, url, headers=login, json=body or None, timeout=30).raise_for_status()


def test_a_sync_survives_a_page_of_plain_text(bench: Bench) -> None:
    (command,) = request_sync(bench.database, SyncCommand(), requested_by=Identity("os:test"))
    bench.fault("GET", "/domain/v1$", "status", status=503, body="upstream connect error")

    first = bench.run(command.id)
    bench.make_due()
    second = bench.run(command.id)

    assert first.status is CommandStatus.QUEUED
    assert second.status is CommandStatus.DONE


def test_a_wrong_password_ends_the_sync_after_one_call_and_suspends_the_account(
    database: Database, simulator: Simulator
) -> None:
    bench = Bench(database, simulator)
    bench.settings(password="another")

    command = bench.sync()
    (second,) = request_sync(database, SyncCommand(), requested_by=Identity("os:test")) or [command]

    assert command.status is CommandStatus.FAILED
    assert "certline account verify demo" in (command.error or "")
    assert bench.account().status is AccountStatus.SUSPENDED
    assert bench.calls("GET /organization/v1") == 1
    assert second.id == command.id
