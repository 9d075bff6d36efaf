"""Tests of validating a domain from its start to its end, with our client, at the simulator over HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from certline.simulator.server import Simulator, running
from certline.workers.scm import (
    DcvMethod,
    DcvOrderStatus,
    DcvStatus,
    Login,
    NeedsPerson,
    NotFound,
    OutcomeUnknown,
    Refused,
    ScmClient,
)

NEW = "unproven.example"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """Yield a simulator whose CA finds each proof at once."""
    with running(dcv_after_ms=0) as started:
        yield started


@pytest.fixture
def scm(simulator: Simulator) -> Iterator[ScmClient]:
    """Yield a client of the simulator, which is reset first."""
    requests.post(f"{simulator.door}/reset", timeout=10).raise_for_status()
    client = ScmClient(Login(simulator.url, "demo", "admin", "secret"))
    yield client
    client.close()


def door(simulator: Simulator, path: str, body: Any) -> None:
    """Call the control interface of the simulator."""
    requests.post(f"{simulator.door}/{path}", json=body, timeout=10).raise_for_status()


@pytest.mark.parametrize("method", DcvMethod)
def test_a_domain_is_validated_by_each_method(scm: ScmClient, method: DcvMethod) -> None:
    started = scm.start_validation(NEW, method)
    email = started.emails[0] if method is DcvMethod.EMAIL else None
    submitted = scm.submit_validation(NEW, method, email)
    state = scm.validation_status(NEW)

    assert started.is_known or (submitted.proof is not None and submitted.proof.is_known)
    assert submitted.order_status is DcvOrderStatus.SUBMITTED
    assert (state.status, state.order_status) == (
        DcvStatus.VALIDATED,
        DcvOrderStatus.NOT_INITIATED,
    )
    assert state.expires is not None


def test_a_validation_in_progress_shows_its_proof(simulator: Simulator, scm: ScmClient) -> None:
    door(simulator, "settings", {"dcv_after_ms": 3_600_000, "spoken_states": True})

    before = scm.validation_status(NEW)
    proof = scm.start_validation(NEW, DcvMethod.CNAME)
    waiting = scm.validation_status(NEW)
    scm.submit_validation(NEW, DcvMethod.CNAME)
    submitted = scm.validation_status(NEW)
    scm.sync_validation(NEW)
    scm.clear_validation(NEW)

    assert (before.order_status, before.proof) == (DcvOrderStatus.NOT_INITIATED, None)
    assert (waiting.order_status, waiting.proof) == (DcvOrderStatus.AWAITING_SUBMISSION, proof)
    assert waiting.status is DcvStatus.NOT_VALIDATED
    assert (submitted.order_status, submitted.proof) == (DcvOrderStatus.SUBMITTED, proof)
    assert submitted.order_id
    assert submitted.next_check is not None
    assert scm.validation_status(NEW).order_status is DcvOrderStatus.NOT_INITIATED


def test_a_lost_submission_shows_in_the_status(simulator: Simulator, scm: ScmClient) -> None:
    door(simulator, "settings", {"dcv_after_ms": 3_600_000})
    scm.start_validation(NEW, DcvMethod.CNAME)
    door(simulator, "faults", {"path": "/submit/domain/cname$", "kind": "drop_after"})

    with pytest.raises(OutcomeUnknown):
        scm.submit_validation(NEW, DcvMethod.CNAME)

    assert scm.validation_status(NEW).order_status is DcvOrderStatus.SUBMITTED
    with pytest.raises(Refused) as again:
        scm.submit_validation(NEW, DcvMethod.CNAME)
    assert again.value.code == -724


def test_scms_refusals_are_told_apart(simulator: Simulator, scm: ScmClient) -> None:
    with pytest.raises(NotFound):
        scm.start_validation("elsewhere.example", DcvMethod.CNAME)
    with pytest.raises(Refused, match="high-level"):
        scm.start_validation("cs.nordhafen.example", DcvMethod.CNAME)

    door(simulator, "settings", {"withheld_privileges": ["admin:allowDCV"]})
    with pytest.raises(NeedsPerson, match="allowDCV"):
        scm.validation_status(NEW)

    door(simulator, "settings", {"withheld_privileges": [], "dcv_enabled": False})
    with pytest.raises(NeedsPerson, match="-1608"):
        scm.start_validation(NEW, DcvMethod.TXT)
