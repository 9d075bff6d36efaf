"""Tests of revocation where a certificate has a successor: it reaches the intended version only."""

from certline.models import Certificate, CertificateStatus, Command, CommandStatus
from tests.integration.workers.conftest import Bench
from tests.integration.workers.succession import (
    certificate_of,
    done_by_a_stranger,
    go_on,
    now,
    reissue,
    renewal,
    revocation,
    status_at_scm,
    stored,
)


def test_the_old_version_is_revoked_and_the_new_one_is_not(bench: Bench) -> None:
    old, new = reissued(bench)

    ended = bench.run(revocation(bench, old, reason_code="key-compromise").id)

    assert ended.status is CommandStatus.DONE
    assert now(bench, old).status is CertificateStatus.REVOKED
    assert now(bench, new).status is CertificateStatus.ACTIVE
    assert status_at_scm(bench, new) == "Issued"


def test_of_an_old_version_a_second_no_means_done_where_our_first_try_was_not_answered(
    bench: Bench,
) -> None:
    old, _ = reissued(bench)
    bench.fault("POST", "revoke", "drop_after")
    command = revocation(bench, old)
    bench.run(command.id)

    go_on(bench, 1)

    assert bench.command(command.id).status is CommandStatus.DONE
    assert now(bench, old).status is CertificateStatus.REVOKED


def test_of_an_old_version_a_no_is_done_too_where_a_worker_died_after_the_call(
    bench: Bench,
) -> None:
    old, _ = reissued(bench)
    command = revocation(bench, old)
    with bench.database.transaction() as db:
        db.get_one(Command, command.id).status = CommandStatus.RUNNING
    by_serial(bench, old)

    ended = bench.run(command.id)

    assert ended.status is CommandStatus.DONE
    assert now(bench, old).status is CertificateStatus.REVOKED


def test_of_an_old_version_a_no_out_of_the_blue_is_for_a_person(bench: Bench) -> None:
    old, _ = reissued(bench)
    by_serial(bench, old)

    ended = bench.run(revocation(bench, old).id)

    assert ended.status is CommandStatus.FAILED
    assert "revocation list (CRL)" in (ended.error or "")
    assert now(bench, old).status is CertificateStatus.SUPERSEDED


def test_a_renewed_certificate_is_revoked_and_its_successor_is_not(bench: Bench) -> None:
    old = stored(bench)
    command = renewal(bench, old)
    go_on(bench)

    bench.run(revocation(bench, old).id)

    assert now(bench, old).status is CertificateStatus.REVOKED
    assert certificate_of(bench, command).status is CertificateStatus.ACTIVE
    assert status_at_scm(bench, certificate_of(bench, command)) == "Issued"


def reissued(bench: Bench) -> tuple[Certificate, Certificate]:
    """Return an old version and the new one, under one sslId."""
    old = stored(bench)
    command = reissue(bench, old)
    go_on(bench)
    return old, certificate_of(bench, command)


def by_serial(bench: Bench, certificate: Certificate) -> None:
    """Revoke one certificate at the CA, without notice to us."""
    serial = certificate.serial_number
    done_by_a_stranger(bench, f"/ssl/v1/revoke/serial/{serial}", {"reasonCode": 0, "reason": "x"})
