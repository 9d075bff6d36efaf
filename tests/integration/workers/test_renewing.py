"""A renewal is sent once, and its certificate takes the old one's place."""

import threading

import pytest
from sqlalchemy import select

from models import (
    Certificate,
    CertificateStatus,
    CommandStatus,
    OrderKind,
    OrderStatus,
    Outbox,
    PrivateKey,
)
from models.license import license_use
from models.payloads import BadCommandError, RenewCommand
from producers.managing import check_successor, request_successor
from producers.requests import set_license
from tests.integration.workers.conftest import Bench
from tests.integration.workers.succession import (
    RENEW,
    all_certificates,
    asked_from_outside,
    certificate_of,
    done_by_a_stranger,
    events_of,
    go_on,
    now,
    reissue,
    renewal,
    stored,
)
from tests.integration.workers.test_ordering import answered, taken_for_dead
from workers.keys import key_pair
from workers.keys.csr import sign_request
from workers.placing import make_key
from workers.succeeding import place_successor, plan


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
    set_license(bench.database, 0, requested_by="test")

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


def test_a_second_renewal_names_the_one_that_is_open(bench: Bench) -> None:
    old = stored(bench)
    first = renewal(bench, old)

    second = renewal(bench, old)

    assert second.status is CommandStatus.DONE
    assert second.subject == first.subject
    assert (second.result or {})["already_ordered"]
    bench.run(first.id)
    bench.run(second.id)
    assert bench.calls(RENEW) == 1


def test_a_second_renewal_on_purpose_is_another_one(bench: Bench) -> None:
    old = stored(bench)
    first = renewal(bench, old)
    go_on(bench, 1)

    second = renewal(bench, old, again=True)
    go_on(bench)

    assert bench.calls(RENEW) == 2
    assert {bench.order(each).status for each in (first, second)} == {OrderStatus.STORED}
    active = [each for each in all_certificates(bench) if each.status == "active"]
    assert [each.supersedes_id for each in active] == [old.id]


def test_a_certificate_that_was_renewed_is_not_renewed_again(bench: Bench) -> None:
    old = stored(bench)
    wanted = RenewCommand(certificate=old.id)
    with bench.database.transaction() as db:
        planned = plan(db, wanted)
    first = renewal(bench, old)
    go_on(bench)
    newest = certificate_of(bench, first).id

    with pytest.raises(BadCommandError, match=f"the newest of its line is {newest}"):
        check_successor(bench.database, wanted)
    # Nor by somebody who had begun before the first one was stored.
    late = asked_from_outside(bench, "renew", {"certificate": old.id})
    material = make_key(planned.wanted, bench.line.vault)
    with (
        bench.database.transaction() as db,
        pytest.raises(BadCommandError, match=f"the newest of its line is {newest}"),
    ):
        place_successor(db, late, planned, material, bench.line.vault)


def test_a_line_is_not_renewed_while_it_is_reissued(bench: Bench) -> None:
    old = stored(bench)
    going = reissue(bench, old)

    with pytest.raises(BadCommandError, match=f"order {going.subject} .reissue, placed"):
        check_successor(bench.database, RenewCommand(certificate=old.id))


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
    assert any("ordered anew with the same data" in why for why in whys)


def test_what_somebody_else_has_renewed_is_not_renewed_unasked(bench: Bench) -> None:
    old = stored(bench)
    done_by_a_stranger(bench, f"/ssl/v1/renewById/{old.scm_id}", {})

    command = renewal(bench, old)
    bench.run(command.id)

    assert bench.order(command).status is OrderStatus.REJECTED
    assert f"SCM says that {old.scm_id} was renewed" in (bench.order(command).error or "")
    assert bench.calls(RENEW) == 1
    on_purpose = renewal(bench, old, again=True)
    go_on(bench)
    assert bench.order(on_purpose).status is OrderStatus.STORED


def test_what_is_revoked_at_scm_is_not_renewed(bench: Bench) -> None:
    old = stored(bench)
    done_by_a_stranger(bench, f"/ssl/v1/revoke/{old.scm_id}", {"reasonCode": 1, "reason": "leaked"})

    command = renewal(bench, old)
    bench.run(command.id)

    assert bench.order(command).status is OrderStatus.REJECTED
    assert "its status of" in (bench.order(command).error or "")
    assert bench.calls(RENEW) == 0


def test_the_late_answer_of_a_zombie_saves_the_second_renewal(bench: Bench) -> None:
    old = stored(bench)
    command = renewal(bench, old)
    zombie = taken_for_dead(bench, command)

    answered(bench, zombie, 77)
    bench.make_due()
    bench.run(command.id)

    assert (bench.order(command).status, bench.order(command).scm_id) == (OrderStatus.PENDING, 77)
    assert bench.calls(RENEW) == 0


def test_a_renewal_that_another_system_asks_for_is_placed_by_the_worker(bench: Bench) -> None:
    old = stored(bench)
    command = asked_from_outside(bench, "renew", {"certificate": old.common_name})

    bench.run(command.id)
    go_on(bench)

    assert certificate_of(bench, command).supersedes_id == old.id


def test_what_cannot_be_renewed_is_refused_in_words(bench: Bench) -> None:
    command = asked_from_outside(bench, "renew", {"certificate": "nobody.nordhafen.example"})

    bench.run(command.id)

    ended = bench.command(command.id)
    assert ended.status is CommandStatus.FAILED
    assert "'nobody.nordhafen.example' is not known" in (ended.error or "")


def test_a_key_that_is_kept_elsewhere_is_followed_by_one_that_is_kept_here(bench: Bench) -> None:
    csr = sign_request(key_pair.generate("RSA", "3072"), "www.nordhafen.example", [])
    old = stored(bench, csr=csr)
    assert old.key_id is None

    warned = check_successor(bench.database, RenewCommand(certificate=old.id))
    command = renewal(bench, old)
    go_on(bench)

    assert warned == [
        f"the key of {old.common_name} is not kept here; that of its successor is made and kept here"
    ]
    new = certificate_of(bench, command)
    assert new.key_id is not None
    assert (new.key_algorithm, new.key_size) == ("RSA", "3072")


def test_the_same_command_id_twice_is_one_renewal(bench: Bench) -> None:
    wanted = RenewCommand(certificate=stored(bench).id)
    command_id = "3f0e8a52-4c2e-4f57-9b80-5a8a9c6a0003"

    first, second = (
        request_successor(
            bench.database, bench.line.vault, wanted, requested_by="ida", command_id=command_id
        )
        for _ in range(2)
    )

    assert (first.new, second.new) == (True, False)
    assert first.command.subject == second.command.subject


def test_two_renewals_at_once_are_one_order(bench: Bench) -> None:
    old = stored(bench)
    commands = [asked_from_outside(bench, "renew", {"certificate": old.id}) for _ in range(2)]
    workers = [threading.Thread(target=bench.run, args=(each.id,)) for each in commands]

    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert {bench.command(each.id).subject for each in commands} != {None}
    assert len({bench.command(each.id).subject for each in commands}) == 1
    assert bench.calls(RENEW) == 1
