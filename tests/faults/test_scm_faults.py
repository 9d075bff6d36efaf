"""Fault tests of SCM failing in every way the simulator offers, at every call of an order's life."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from certline.models import Command, CommandType, OrderStatus
from certline.models.audit.identity import Identity
from certline.models.commands.payloads import SyncCommand
from certline.producers.requests.catalogue import request_sync
from certline.producers.requests.orders import request_polls
from tests.faults.harness.scenario import SECONDS_TO_ANSWER, Stage
from tests.faults.random.scale import at_length
from tests.faults.stories import lifecycle, unknown_outcomes
from tests.faults.stories.orders import COLLECT, DETAILS, ENROLL
from tests.servers import until

pytestmark = pytest.mark.slow

# Longer than our timeout: SCM carries out the request after we have given up.
LATE = {"delay_ms": int((SECONDS_TO_ANSWER + 0.3) * 1000)}
EVERY: list[dict[str, Any]] = [
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 500, "body": '{"code": -14, "description": "Internal error"}'},
    {"kind": "status", "status": 429, "retry_after": 1},
    {"kind": "drop_before"},
    {"kind": "drop_after"},
    {"kind": "garbage"},
    {"kind": "truncate"},
    {"kind": "delay", **LATE},
]


# Faults that the short form tries where a call only reads, so that it may be repeated.
FOR_READING = [{"kind": "drop_after"}, {"kind": "garbage"}]


@dataclass(frozen=True)
class Call:
    """A call to SCM, and the command that makes it next. `orders`: the call costs money."""

    method: str
    path: str
    begin: Callable[[Stage], Command]
    orders: bool = False


def a_sync(stage: Stage) -> Command:
    """Request a sync that has not started."""
    return request_sync(stage.plant.database, SyncCommand(), requested_by=Identity("os:test"))[0]


def a_poll(stage: Stage) -> Command:
    """Return the first poll of an order that SCM has accepted."""
    return _after(stage, stage.place(), CommandType.POLL)


def a_fetch(stage: Stage) -> Command:
    """Return the poll of an order that is known to be issued: it collects the certificate."""
    order = stage.place()
    _after(stage, order, CommandType.POLL)

    def is_issued() -> bool:
        named = [stage.order(order).id]
        for asked in request_polls(stage.plant.database, named, requested_by=Identity("os:test")):
            stage.run(asked)
        return stage.order(order).status is OrderStatus.ISSUED

    until(is_issued, 30, every=0.05)
    return stage.step_of(order, CommandType.POLL)


def a_lookup(stage: Stage) -> Command:
    """Return the first reconcile of an order that SCM does not have."""
    return stage.step_of(unknown_outcomes.lost(stage, 1, "drop_before")[0], CommandType.RECONCILE)


def a_lookup_of_what_scm_has(stage: Stage) -> Command:
    """Return the first reconcile of an order that SCM has."""
    return stage.step_of(unknown_outcomes.lost(stage, 1, "drop_after")[0], CommandType.RECONCILE)


def _after(stage: Stage, command: Command, kind: CommandType) -> Command:
    stage.run(command)
    stage.age()
    return stage.step_of(command, kind)


CALLS: dict[str, list[Call]] = {
    "what SCM offers": [
        Call("GET", "/organization/v1$", a_sync),
        Call("GET", "/domain/v1$", a_sync),
        Call("GET", r"/domain/v1/\d+$", a_sync),
        Call("GET", "/ssl/v1/types", a_sync),
        Call("GET", "/ssl/v1/customFields", a_sync),
    ],
    "an order": [
        Call("POST", ENROLL, Stage.place, orders=True),
        Call("GET", DETAILS, a_poll),
        Call("GET", COLLECT, a_fetch),
    ],
    "a stored certificate": [
        Call("POST", lifecycle.RENEW, lifecycle.renewal, orders=True),
        Call("POST", lifecycle.REPLACE, lifecycle.reissue, orders=True),
        Call("POST", lifecycle.REVOKE, lifecycle.revocation),
    ],
    "an unknown outcome": [
        Call("GET", unknown_outcomes.LIST, a_lookup),
        Call("POST", "/report/v1/", a_lookup),
        Call("GET", DETAILS, a_lookup_of_what_scm_has),
    ],
}


@pytest.mark.parametrize("what", CALLS)
def test_scm_fails_in_every_way_at_each_call_of(stage: Stage, what: str) -> None:
    for call in CALLS[what]:
        for fault in EVERY if call.orders else at_length(EVERY, short=FOR_READING):
            fail_at(stage, call, fault)
    stage.age()
    stage.start("worker")
    stage.place()

    assert stage.finish() == []


def fail_at(stage: Stage, call: Call, fault: dict[str, Any]) -> None:
    """Make a command's next call fail once in one way."""
    command = call.begin(stage)
    before = done_at_scm(stage)
    stage.fault(call.method, call.path, **fault)
    stage.run(command)
    assert stage.simulate("GET", "faults") == [], f"{call.path} was not asked for {fault}"
    if call.orders and fault["kind"] == "delay":
        until(lambda: done_at_scm(stage) > before, 30)
    stage.let_scm_recover()


def done_at_scm(stage: Stage) -> int:
    """Return how many orders, renewals and replacements SCM has carried out."""
    return sum(1 + record.get("replacements", 0) for record in stage.simulate("GET", "orders"))
