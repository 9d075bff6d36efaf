"""Tests of `--wait`: when it ends, and what it prints meanwhile."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from certline.cli.waiting.outlook import waits_for
from certline.cli.waiting.state import WaitResult, WaitView, comes_next, describe, judge
from certline.models import (
    Account,
    AccountStatus,
    Command,
    CommandStatus,
    CommandType,
    Order,
    OrderStatus,
    Validation,
)
from certline.models.states import ValidationMethod, ValidationStage


def view(
    status: CommandStatus,
    order: OrderStatus | None = None,
    /,
    *,
    error: str | None = None,
    **of: Any,
) -> WaitView:
    """Return a view of a command and its order in some status."""
    account = Account(name="hafen", status=of.pop("account", AccountStatus.ACTIVE))
    account.status_reason = "wrong password"
    kind = of.pop("type", CommandType.ORDER)
    command = Command(id="c1", type=kind, status=status, error=error, payload={})
    command.not_before = datetime.now(UTC) + timedelta(seconds=of.pop("due_in", 0))
    row = None if order is None else Order(id="O1", status=order, polls=of.pop("polls", 0), **of)
    return WaitView(command, row, account)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (CommandStatus.DONE, 0),
        (CommandStatus.FAILED, 1),
        (CommandStatus.HELD, 3),
        (CommandStatus.REVIEW, 3),
    ],
)
def test_a_command_that_has_ended_ends_the_wait(status: CommandStatus, code: int) -> None:
    ending = judge(view(status))

    assert ending is not None
    assert ending.code == code


def test_a_validation_says_its_stage_and_what_was_found_last() -> None:
    command = Command(id="c1", type=CommandType.VALIDATE, status=CommandStatus.QUEUED, payload={})
    row = Validation(
        domain="a.example", method=ValidationMethod.CNAME, stage=ValidationStage.LOOK, tries=1
    )
    row.said = "expected CNAME 'b.example', found no such name"
    waiting = WaitView(command, None, None, validation=row)

    assert describe(waiting) == (
        "look: waits for the CNAME record to be seen by all name servers "
        "(last: expected CNAME 'b.example', found no such name)"
    )
    row.withdrawn_at, row.proof_name, row.proof_value = NOW, "_4ab.a.example", "b.example"
    assert "look: Make the CNAME record _4ab.a.example with b.example by hand" in describe(waiting)
    command.status = CommandStatus.DONE
    command.result = {"expires": "2027-02-06", "renewed": True}
    ending = judge(waiting)
    assert ending is not None
    assert ending.text == "done: validated until 2027-02-06"


@pytest.mark.parametrize(("new", "held", "code"), [(0, 0, 0), (0, 4, 3), (4, 4, 3)])
def test_an_import_waits_for_a_licence_while_its_orders_are_held(
    new: int, held: int, code: int
) -> None:
    counts = {"held": new, "failed": 0, "known": 4 - new}
    command = Command(id="c1", type=CommandType.IMPORT, status=CommandStatus.DONE, result=counts)

    ending = judge(WaitView(command, None, None, held=held))

    assert ending is not None
    assert ending.code == code
    assert ("4 orders are held" in ending.text) == (held > new)


def test_a_held_order_says_how_to_make_room() -> None:
    ending = judge(view(CommandStatus.HELD, OrderStatus.HELD))

    assert ending == WaitResult(
        3, "held: no licence is left; to raise the capacity: certline license set N"
    )


@pytest.mark.parametrize("status", [OrderStatus.PLACED, OrderStatus.SENDING, OrderStatus.PENDING])
def test_an_order_on_its_way_is_waited_for(status: OrderStatus) -> None:
    assert judge(view(CommandStatus.RUNNING, status)) is None


def test_an_unknown_outcome_is_waited_for_and_said() -> None:
    unknown = view(CommandStatus.RUNNING, OrderStatus.SENDING)
    assert unknown.order is not None
    unknown.order.error = "the outcome is unknown: read time-out"

    assert judge(unknown) is None
    assert describe(unknown) == "sending: the outcome is unknown: read time-out"


def test_a_suspended_account_ends_the_wait() -> None:
    ending = judge(view(CommandStatus.QUEUED, OrderStatus.PLACED, account=AccountStatus.SUSPENDED))

    assert ending is not None
    assert ending.code == 3
    assert "certline account verify hafen" in ending.text


def test_an_order_that_stays_requested_waits_for_an_approval() -> None:
    asked_once = view(
        CommandStatus.RUNNING, OrderStatus.PENDING, polls=1, scm_status="Requested", scm_id=7
    )
    asked_twice = view(
        CommandStatus.RUNNING, OrderStatus.PENDING, polls=2, scm_status="Requested", scm_id=7
    )
    applied = view(
        CommandStatus.RUNNING, OrderStatus.PENDING, polls=9, scm_status="Applied", scm_id=7
    )

    ending = judge(asked_twice)
    assert ending is not None
    assert ending.code == 3
    assert "approve 7" in ending.text
    assert judge(asked_once) is None
    assert judge(applied) is None


def test_a_poll_that_has_not_asked_yet_is_waited_for() -> None:
    requested: dict[str, Any] = {
        "polls": 5,
        "scm_status": "Requested",
        "scm_id": 7,
        "type": CommandType.POLL,
    }

    due = view(CommandStatus.QUEUED, OrderStatus.PENDING, due_in=-1, **requested)
    asked = view(CommandStatus.QUEUED, OrderStatus.PENDING, due_in=60, **requested)

    assert judge(due) is None
    assert judge(asked) is not None


def a_step(due_in: float, *, error: str | None = None, **of: Any) -> Command:
    """Return the poll of a pending order, due in that many seconds."""
    usual = {"type": CommandType.POLL, "status": CommandStatus.QUEUED, "started_at": NOW}
    return Command(not_before=NOW + timedelta(seconds=due_in), error=error, **(usual | of))


NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
PENDING = Order(id="O1", status=OrderStatus.PENDING, scm_id=7)


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (a_step(24), "asked next in 24 s"),
        (a_step(24, error="SCM says Requested"), "asked next in 24 s"),
        (a_step(0), "asked next as soon as a worker is free"),
        (a_step(0, status=CommandStatus.RUNNING), "SCM is being asked"),
        (
            a_step(3600, error="HTTP 503"),
            "asked next in 60 min (2026-11-27 13:00 UTC); last: HTTP 503",
        ),
        (a_step(9, type=CommandType.FETCH), "fetched next in 9 s"),
        (a_step(9, type=CommandType.ORDER, error="other keys"), "sent in 9 s; last: other keys"),
        (None, "nothing is under way; the sweep starts its next step within minutes"),
    ],
)
def test_an_order_says_what_it_waits_for(step: Command | None, told: str) -> None:
    assert waits_for(PENDING, step, NOW) == told


def test_an_order_that_is_being_sent_waits_for_the_response_or_for_the_lookup() -> None:
    sending = Order(id="O1", status=OrderStatus.SENDING)

    assert waits_for(sending, None, NOW) == (
        "SCM's response; without one, it is looked up at SCM after the settle time"
    )
    assert waits_for(sending, a_step(24, type=CommandType.RECONCILE), NOW) == (
        "looked up at SCM in 24 s"
    )


def test_an_order_that_has_ended_waits_for_nothing() -> None:
    assert waits_for(Order(id="O1", status=OrderStatus.STORED), None, NOW) is None


def test_the_wait_says_when_scm_is_asked_next() -> None:
    command = Command(id="c1", type=CommandType.ORDER, status=CommandStatus.RUNNING, payload={})
    waiting = WaitView(command, PENDING, None, a_step(24))

    assert (
        describe(waiting) + comes_next(waiting, NOW)
        == "pending, SCM has it (7); asked next in 24 s"
    )


def test_a_poll_that_was_never_made_is_announced_too() -> None:
    command = Command(id="c1", type=CommandType.ORDER, status=CommandStatus.RUNNING, payload={})
    waiting = WaitView(command, PENDING, None, a_step(24, started_at=None))

    assert comes_next(waiting, NOW) == "; asked next in 24 s"


def test_an_order_just_placed_is_placed_and_no_more() -> None:
    command = Command(id="c1", type=CommandType.ORDER, status=CommandStatus.QUEUED, payload={})
    command.not_before = NOW
    placed = Order(id="O1", status=OrderStatus.PLACED)

    assert comes_next(WaitView(command, placed, None, command), NOW) == ""


@pytest.mark.parametrize(("scm_status", "code"), [("Requested", 3), ("Applied", None)])
def test_a_requested_poll_that_is_done_has_asked_scm(scm_status: str, code: int | None) -> None:
    done = view(
        CommandStatus.DONE,
        OrderStatus.PENDING,
        type=CommandType.POLL,
        due_in=-1,
        polls=2,
        scm_status=scm_status,
        scm_id=7,
    )

    ending = judge(done)

    assert (None if ending is None else ending.code) == code
