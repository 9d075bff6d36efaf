"""Fixtures: a client of a given server, and an order to send."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from certline.workers.scm import Enrolment, Login, RevocationReason, ScmClient
from tests.unit.scm.odd_server import OddServer

Connect = Callable[[OddServer], ScmClient]

SECRET = "correct-horse-battery"

ORDER = Enrolment(
    org_id=9102,
    profile_id=21790,
    term=199,
    csr="-----BEGIN CERTIFICATE REQUEST-----\nMIIC\n-----END CERTIFICATE REQUEST-----\n",
    common_name="shop.nordhafen.example",
    sans=("shop.nordhafen.example", "www.shop.nordhafen.example"),
    comments="[certline:01JQ8Z5N3V7K]",
    external_requesters=("a@nordhafen.example", "b@nordhafen.example"),
    custom_fields=(("CostCentre", "4711"),),
)


@dataclass(frozen=True)
class Change:
    """A call that changes something at SCM."""

    operation: str
    call: Callable[[ScmClient], object]
    is_answered: bool = False  # success has a body; otherwise none


CHANGES = (
    Change("enroll", lambda scm: scm.enroll(ORDER), is_answered=True),
    Change("renew", lambda scm: scm.renew(7, "MIIC"), is_answered=True),
    Change("replace", lambda scm: scm.replace(7, "MIIC", "a new server")),
    Change("revoke", lambda scm: scm.revoke(7, RevocationReason.SUPERSEDED, "gone")),
    Change(
        "revoke_by_serial",
        lambda scm: scm.revoke_by_serial("0abc", RevocationReason.KEY_COMPROMISE, "leaked"),
    ),
    Change("approve", lambda scm: scm.approve(7, "fine")),
    Change("decline", lambda scm: scm.decline(7, "no")),
    Change("update", lambda scm: scm.update(7, comments="new"), is_answered=True),
)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep connections to this machine off any proxy in the environment."""
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Yield a factory of clients with a read timeout of five seconds, closed at the end."""
    clients: list[ScmClient] = []

    def of(server: OddServer) -> ScmClient:
        login = Login(server.url, "nordhafen", "svc-pipeline", SECRET)
        clients.append(ScmClient(login, read_timeout=5))
        return clients[-1]

    yield of
    for client in clients:
        client.close()


@pytest.fixture
def order() -> Enrolment:
    """Return an order with every field."""
    return ORDER
