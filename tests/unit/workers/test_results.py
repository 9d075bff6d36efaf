"""The results of steps as the JSON that is stored: other systems read its keys."""

from certline.models import Certificate, CertificateStatus, Order, OrderStatus
from certline.workers.steps.cancel import CancelResult
from certline.workers.steps.fetch import FetchResult
from certline.workers.steps.hook import HookResult
from certline.workers.steps.poll import PollResult
from certline.workers.steps.reconcile import ReconcileResult
from certline.workers.steps.revoke import RevokeResult

ORDER = Order(
    id="01J",
    status=OrderStatus.CANCELLED,
    scm_id=18440127,
    scm_status="Requested",
    certificate_id=None,
    error="declined at SCM: a mistake",
)


def test_a_cancellation_says_what_became_of_the_order() -> None:
    assert CancelResult.of(ORDER, declined=True).document() == {
        "order_id": "01J",
        "order_status": "cancelled",
        "scm_id": 18440127,
        "scm_status": "Requested",
        "declined": True,
        "said": "declined at SCM: a mistake",
    }


def test_the_steps_of_an_order_say_its_status_and_what_they_found() -> None:
    common = {"order_id": "01J", "order_status": "cancelled"}

    assert PollResult.of(ORDER).document() == common | {"scm_status": "Requested"}
    assert FetchResult.of(ORDER).document() == common | {"certificate_id": None}
    assert ReconcileResult.of(ORDER).document() == common | {"scm_id": 18440127}


def test_a_revocation_says_whether_others_had_revoked_the_certificate() -> None:
    certificate = Certificate(id="01K", serial_number="1f", status=CertificateStatus.REVOKED)

    assert RevokeResult.of(certificate, already=True).document() == {
        "certificate_id": "01K",
        "serial_number": "1f",
        "certificate_status": "revoked",
        "already_revoked": True,
    }


def test_a_hooks_output_is_stored_and_not_shown_in_its_repr() -> None:
    result = HookResult("reload", "01K", "failed", 1, "hunter2", "failed: exit code 1")

    assert result.document() == {
        "hook": "reload",
        "certificate_id": "01K",
        "outcome": "failed",
        "exit_code": 1,
        "output": "hunter2",
        "said": "failed: exit code 1",
    }
    assert "hunter2" not in repr(result)
