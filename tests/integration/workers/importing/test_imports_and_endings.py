"""Tests of imports after deletion and cancellation: a deleted order is imported again, a cancelled one is not."""

from sqlalchemy import func, select

from certline.models import Certificate, Command, OrderStatus
from certline.models.audit.identity import Identity
from certline.models.commands.payloads import CancelCommand, DeleteCommand, ImportCommand
from certline.producers.requests.certificates import request_cancelling, request_deletion
from certline.producers.requests.imports import request_import
from tests.integration.workers.conftest import Bench
from tests.integration.workers.succession import all_certificates, go_on, stored


def imported(bench: Bench) -> None:
    """Import everything that SCM holds."""
    request_import(bench.database, ImportCommand(), requested_by=Identity("os:ida"))
    go_on(bench)


def test_a_deleted_certificate_comes_back_without_its_key(bench: Bench) -> None:
    certificate = stored(bench)
    wanted = DeleteCommand(certificate=certificate.id)
    bench.run(request_deletion(bench.database, wanted, requested_by=Identity("os:ida")).command.id)

    imported(bench)

    (back,) = all_certificates(bench)
    assert (back.scm_id, back.serial_number) == (certificate.scm_id, certificate.serial_number)
    assert back.key_id is None


def test_an_order_that_scm_would_not_decline_stays_cancelled(bench: Bench) -> None:
    bench.settings(issue_after_ms=3_600_000)
    order = bench.place()
    bench.run_due()
    wanted = CancelCommand(order=bench.order(order).id, comments="not needed")
    bench.run(
        request_cancelling(bench.database, wanted, requested_by=Identity("os:ida")).command.id
    )

    imported(bench)

    assert bench.order(order).status is OrderStatus.CANCELLED
    with bench.database.transaction() as db:
        assert db.scalar(select(func.count()).select_from(Certificate)) == 0
        assert db.scalar(select(func.count()).where(Command.type == "import")) == 1
