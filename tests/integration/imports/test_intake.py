"""Tests of importing SCM's orders: recorded whatever their status, stored where they are in force."""

from itertools import pairwise

import pytest
from cryptography import x509

from certline.models import CertificateStatus, CommandType, OrderKind, OrderStatus
from certline.models.audit.identity import Identity
from certline.models.audit.log import history
from certline.models.certificates.license import license_use
from certline.models.commands.payloads import RenewCommand
from certline.models.validation import BadCommandError
from certline.producers.requests.certificates import request_successor
from certline.producers.requests.license import set_license
from tests.integration.imports.conftest import FLEET, Estate

# Our status for each status at SCM.
BECOMES = {
    "Init": OrderStatus.PENDING,
    "Requested": OrderStatus.PENDING,
    "Approved": OrderStatus.PENDING,
    "SAApproved": OrderStatus.PENDING,
    "Applied": OrderStatus.PENDING,
    "Issued": OrderStatus.STORED,
    "Replaced": OrderStatus.CANCELLED,
    "Revoked": OrderStatus.CANCELLED,
    "Expired": OrderStatus.CANCELLED,
    "Declined": OrderStatus.REJECTED,
    "Rejected": OrderStatus.REJECTED,
    "Invalid": OrderStatus.REJECTED,
}


def test_every_order_is_recorded_whatever_its_status(estate: Estate) -> None:
    result = estate.take_in()

    at_scm = {each["sslId"]: each["status"] for each in estate.orders_at_scm()}
    assert {scm_id: order.status for scm_id, order in estate.orders().items()} == {
        scm_id: BECOMES[status] for scm_id, status in at_scm.items()
    }
    assert set(BECOMES) == set(at_scm.values())
    assert result["listed"] == result["total"] == result["news"]["new"] == FLEET
    assert result["failed"] == 0


def test_an_imported_order_says_what_scm_says(estate: Estate) -> None:
    estate.take_in()

    comments = {each["sslId"]: each["comments"] for each in estate.orders_at_scm()}
    for scm_id, order in estate.orders().items():
        assert order.kind is OrderKind.IMPORT
        assert order.comments == comments[scm_id]
        assert order.comments.startswith(f"{order.organization_name}, ")
        assert order.profile_name.startswith("OV ")
        assert order.requested_by == f"admin-{order.organization_id}@nordhafen.example"
        assert order.term is not None
    revoked = [each for each in estate.orders().values() if each.scm_status == "Revoked"]
    assert all((order.error or "").startswith("SCM's status is Revoked (2") for order in revoked)


def test_a_certificate_in_force_is_stored_with_its_chain_and_without_a_key(estate: Estate) -> None:
    estate.take_in()

    certificates = estate.certificates()
    orders = estate.orders()
    assert [each.scm_id for each in certificates] == sorted(estate.ids_at_scm("Issued"))
    for certificate in certificates:
        chain = [
            x509.load_pem_x509_certificate(pem.encode())
            for pem in (certificate.leaf, *certificate.issuers)
        ]
        for below, above in pairwise(chain):
            below.verify_directly_issued_by(above)
        assert f"{chain[0].serial_number:x}" == certificate.serial_number
        assert certificate.key_id is None
        assert orders[certificate.scm_id].certificate_id == certificate.id


def test_an_import_asks_no_more_than_a_loop_over_the_list_would(estate: Estate) -> None:
    lists, details, collects = estate.counts()

    estate.take_in()

    issued = len(estate.ids_at_scm("Issued"))
    assert estate.counts() == (lists + 1, details + FLEET, collects + issued)


def test_a_second_import_changes_nothing_and_asks_for_lists_only(estate: Estate) -> None:
    estate.take_in()
    before = {order.id: order.updated_at for order in estate.orders().values()}
    _, details, collects = estate.counts()

    result = estate.take_in()

    assert (result["known"], result["stored"], sum(result["news"].values())) == (FLEET, 0, 0)
    assert estate.counts()[1:] == (details, collects)
    assert {order.id: order.updated_at for order in estate.orders().values()} == before


def test_without_room_the_rest_is_held_and_none_is_lost(estate: Estate) -> None:
    issued = len(estate.ids_at_scm("Issued"))
    set_license(estate.database, 10, requested_by=Identity("os:ida"))
    _, _, collects = estate.counts()

    result = estate.take_in()

    # A renewal shares its predecessor's line, and is fetched where that was not expected.
    estate.run_kinds(CommandType.FETCH)
    held = result["held"]
    lines = {certificate.line_id for certificate in estate.certificates()}
    assert (len(lines), len(estate.certificates()) + held) == (10, issued)
    assert held > 0
    with estate.database.transaction() as db:
        use = license_use(db)
    assert (use.used, use.held) == (10, held)
    # Without free lines, nothing is collected that could not be stored.
    assert estate.counts()[2] < collects + issued
    assert len(estate.told("license.exhausted")) == 1


def test_what_was_held_is_stored_once_there_is_room(estate: Estate) -> None:
    set_license(estate.database, 10, requested_by=Identity("os:ida"))
    estate.take_in()

    set_license(estate.database, 1000, requested_by=Identity("os:ida"))
    while estate.run_kinds(CommandType.FETCH):
        pass

    assert {each.scm_id for each in estate.certificates()} == set(estate.ids_at_scm("Issued"))
    assert not [each for each in estate.orders().values() if each.status is OrderStatus.HELD]
    with estate.database.transaction() as db:
        active = [each for each in estate.certificates() if each.status is CertificateStatus.ACTIVE]
        assert license_use(db).used == len(active)


def test_the_log_says_who_had_an_order_imported_and_how_it_stood(estate: Estate) -> None:
    command = estate.ask()
    estate.finish(command)

    for order in estate.orders().values():
        with estate.database.transaction() as db:
            (event, *_) = history(db, order.id)
        assert (event.type, event.who, event.command_id) == ("order.imported", "os:ida", command.id)
        assert event.data["scm_status"] == order.scm_status


def test_what_came_in_is_told_by_its_counts(estate: Estate) -> None:
    result = estate.take_in()

    assert estate.told("import.completed") == [result]
    assert estate.told("certificate.stored") == []
    assert result["stored"] == len(estate.certificates())


def test_an_imported_order_that_is_pending_is_asked_for_and_stored(estate: Estate) -> None:
    waiting = estate.ids_at_scm("Requested")[0]
    estate.take_in()
    estate.decide(waiting, "approve")
    estate.decide(waiting, "issue")

    estate.go_on()

    order = estate.orders()[waiting]
    assert order.status is OrderStatus.STORED
    stored = {each.scm_id: each for each in estate.certificates()}
    assert stored[waiting].key_id is None
    assert stored[waiting].serial_number == order.scm_serial


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ({"status": "issued"}, lambda order: order.scm_status == "Issued"),
        ({"organization": "Library"}, lambda order: order.organization_id == 9103),
        ({"organization": "9201"}, lambda order: order.organization_id == 9201),
        ({"profile": "OV SSL EC"}, lambda order: order.profile_name == "OV SSL EC"),
    ],
)
def test_a_filter_narrows_it_down(estate: Estate, wanted: dict[str, str], fits: object) -> None:
    estate.take_in(**wanted)
    some = set(estate.orders())

    estate.take_in()

    assert callable(fits)
    assert some
    assert some == {scm_id for scm_id, order in estate.orders().items() if fits(order)}


def test_a_name_is_compared_as_a_whole(empty: Estate) -> None:
    for name in ("shop.nordhafen.example", "webshop.nordhafen.example"):
        empty.order_by_a_stranger(name)

    empty.take_in(common_name="shop.nordhafen.example")

    assert [order.common_name for order in empty.orders().values()] == ["shop.nordhafen.example"]


def test_named_orders_are_taken_in_without_a_look_at_the_list(estate: Estate) -> None:
    wanted = estate.ids_at_scm("Issued", "Revoked")[:3]
    lists = estate.counts()[0]

    result = estate.take_in(order=[*wanted, 99])

    assert set(estate.orders()) == set(wanted)
    assert estate.counts()[0] == lists
    (failure,) = result["failures"]
    assert failure["scm_id"] == 99
    assert "not found" in failure["reason"]


@pytest.mark.parametrize("wanted", [{"organization": "Nobody"}, {"profile": "EV"}])
def test_what_scm_does_not_offer_is_refused_at_once(estate: Estate, wanted: dict[str, str]) -> None:
    with pytest.raises(BadCommandError, match="is not known"):
        estate.ask(**wanted)


def test_renewing_an_imported_certificate_makes_a_new_key_that_is_kept(empty: Estate) -> None:
    empty.order_by_a_stranger(subjAltNames="www.shop.nordhafen.example")
    empty.take_in()
    (imported,) = empty.certificates()
    wanted = RenewCommand(certificate=imported.id)

    accepted = request_successor(
        empty.database, empty.line.vault, wanted, requested_by=Identity("os:ida")
    )
    empty.go_on()

    old, new = empty.certificates()
    assert "is not stored" in accepted.warnings[0]
    assert (old.status, old.key_id) == (CertificateStatus.SUPERSEDED, None)
    assert (new.status, new.line_id) == (CertificateStatus.ACTIVE, old.line_id)
    assert new.key_id is not None
    assert set(new.sans) == set(old.sans)
