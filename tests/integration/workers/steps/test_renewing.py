"""Tests of renewals: the new certificate supersedes the old one, with its own key and the line's settings."""

from sqlalchemy import select

from certline.models import (
    Certificate,
    CertificateStatus,
    CommandStatus,
    OrderKind,
    OrderStatus,
    Outbox,
    PrivateKey,
)
from certline.models.audit.identity import Identity
from certline.models.certificates.license import license_use
from certline.models.commands.payloads import RenewCommand
from certline.producers.requests.license import set_license
from certline.workers.keys import key_pair
from certline.workers.keys.csr import sign_request
from certline.workers.ordering.succession import plan
from tests.integration.workers.conftest import Bench
from tests.integration.workers.succession import (
    RENEW,
    asked_from_outside,
    certificate_of,
    events_of,
    go_on,
    now,
    renewal,
    stored,
)


def test_a_renewal_takes_the_place_of_its_certificate(bench: Bench) -> None:
    old = stored(bench, sans=["api.nordhafen.example"], keystore_type="PEM", comments="for web")

    command = renewal(bench, old)
    go_on(bench)

    new, order = certificate_of(bench, command), bench.order(command)
    assert bench.command(command.id).status is CommandStatus.DONE
    assert (order.kind, order.status) == (OrderKind.RENEWAL, OrderStatus.STORED)
    assert now(bench, old).status is CertificateStatus.SUPERSEDED
    assert (new.status, new.supersedes_id) == (CertificateStatus.ACTIVE, old.id)
    assert new.scm_id != old.scm_id
    same = ("common_name", "sans", "line_id", "key_algorithm", "key_size", "keystore_type")
    assert [getattr(new, name) for name in same] == [getattr(old, name) for name in same]
    assert new.keystore_password_sealed == old.keystore_password_sealed


def test_a_renewal_has_a_key_of_its_own_that_is_stored_before_it_is_sent(bench: Bench) -> None:
    old = stored(bench)

    order = bench.order(renewal(bench, old))

    with bench.database.transaction() as db:
        keys = {key.id: key for key in db.scalars(select(PrivateKey))}
    assert order.key_id != old.key_id
    assert keys[order.key_id or ""].public_key_sha256 == order.public_key_sha256
    assert bench.calls(RENEW) == 0


def test_a_renewal_needs_no_licence(bench: Bench) -> None:
    old = stored(bench)
    set_license(bench.database, 0, requested_by=Identity("os:test"))

    command = renewal(bench, old)
    go_on(bench)

    assert bench.order(command).status is OrderStatus.STORED
    with bench.database.transaction() as db:
        assert license_use(db).used == 1


def test_a_line_that_renews_itself_goes_on_doing_so_with_the_new_certificate(bench: Bench) -> None:
    old = stored(bench)
    with bench.database.transaction() as db:
        db.get_one(Certificate, old.id).auto_renew = True

    command = renewal(bench, old)
    go_on(bench)

    assert certificate_of(bench, command).auto_renew
    assert not now(bench, old).auto_renew


def test_what_has_expired_is_renewed_and_stays_expired(bench: Bench) -> None:
    old = stored(bench)
    bench.decide(old.scm_id, "expire")
    with bench.database.transaction() as db:
        row = db.get_one(Certificate, old.id)
        row.status, row.auto_renew = CertificateStatus.EXPIRED, True

    command = renewal(bench, old)
    go_on(bench)

    new = certificate_of(bench, command)
    assert (new.supersedes_id, new.auto_renew) == (old.id, True)
    assert now(bench, old).status is CertificateStatus.EXPIRED
    assert not now(bench, old).auto_renew


def test_others_hear_of_a_renewal_after_the_certificate(bench: Bench) -> None:
    old = stored(bench)
    command = renewal(bench, old)
    go_on(bench)

    with bench.database.transaction() as db:
        rows = db.scalars(select(Outbox).where(Outbox.exchange != "").order_by(Outbox.id))
        told = [row.body for row in rows if row.body.get("correlationid") == command.id]
    assert [event["type"] for event in told] == [
        "order.placed",
        "order.pending",
        "order.issued",
        "certificate.stored",
        "certificate.renewed",
    ]
    assert told[-1]["data"]["supersedes"] == old.id


def test_a_profile_without_renewal_is_ordered_anew_with_the_same_key(bench: Bench) -> None:
    old = stored(bench, sans=["api.nordhafen.example"])
    bench.settings(no_renewal_profiles=[21790])
    command = renewal(bench, old)
    key = bench.order(command).public_key_sha256

    go_on(bench, 5)

    order, new = bench.order(command), certificate_of(bench, command)
    assert (order.kind, order.status) == (OrderKind.NEW, OrderStatus.STORED)
    assert order.public_key_sha256 == key
    assert (new.supersedes_id, new.line_id, new.sans) == (old.id, old.line_id, old.sans)
    assert len(bench.orders_at_scm()) == 2
    whys = [event.why or "" for event in events_of(bench, order.id)]
    assert any("now a new order with the same data" in why for why in whys)


def test_a_renewal_that_another_system_asks_for_is_placed_by_the_worker(bench: Bench) -> None:
    old = stored(bench)
    command = asked_from_outside(bench, "renew", {"certificate": old.common_name})

    bench.run(command.id)
    go_on(bench)

    assert certificate_of(bench, command).supersedes_id == old.id


def test_a_key_that_is_kept_elsewhere_is_followed_by_one_that_is_kept_here(bench: Bench) -> None:
    csr = sign_request(key_pair.generate("RSA", "3072"), "www.nordhafen.example", [])
    old = stored(bench, csr=csr)
    assert old.key_id is None

    with bench.database.transaction() as db:
        warned = plan(db, RenewCommand(certificate=old.id)).warnings
    command = renewal(bench, old)
    go_on(bench)

    assert warned == [
        f"{old.common_name}: its key is not stored; its successor gets a new key, which is stored"
    ]
    new = certificate_of(bench, command)
    assert new.key_id is not None
    assert (new.key_algorithm, new.key_size) == ("RSA", "3072")
