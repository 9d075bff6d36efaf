"""Stories of orders: from a command to a stored certificate, with the responses SCM may give on the way."""

from collections.abc import Sequence

from sqlalchemy import select

from certline.models import Account, CommandType
from certline.models.accounts.suspension import suspend
from certline.models.audit.identity import Identity
from certline.models.commands.payloads import SyncCommand
from certline.models.orders.order import order_of_command
from certline.producers.requests.catalogue import request_sync
from certline.workers.ordering.claim import MOST_ATTEMPTS
from tests.faults.crashes.injection import Death
from tests.faults.crashes.runner import kill, kill_workers
from tests.faults.harness.external_client import order_event, send_to_workers
from tests.faults.harness.scenario import Stage

ENROLL = "/ssl/v1/enroll$"
DETAILS = r"/ssl/v1/\d+$"
COLLECT = "/ssl/v1/collect/"
REFUSED = '{"code": -36, "description": "The term is invalid"}'
BUSY = '{"code": -618, "description": "Busy"}'
NOT_ALLOWED = '{"code": -3, "description": "Not authorized"}'


def an_order(stage: Stage, points: Sequence[str]) -> None:
    """Place orders, each of which kills its worker once."""
    kill_workers(stage, points, [stage.place() for _ in points])


def an_order_of_a_suspended_account(stage: Stage, points: Sequence[str]) -> None:
    """Run an order whose account was suspended after it was placed; it waits until the account is verified."""
    for point in points:
        command = stage.place()
        with stage.plant.database.transaction() as db:
            suspend(db, db.scalars(select(Account)).one(), "HTTP 401")
        kill_workers(stage, [point], [command])
        stage.type("account", "verify", "demo")


def an_order_that_scm_never_takes(stage: Stage, points: Sequence[str]) -> None:
    """Give up an order that SCM has refused to take again and again: an operator has it sent once more."""
    commands = [stage.place() for _ in points]
    with stage.plant.database.transaction() as db:
        for command in commands:
            order = order_of_command(db, command.id)
            assert order is not None
            order.attempts = MOST_ATTEMPTS
    kill_workers(stage, points, commands)
    stage.until_in_review(commands)
    stage.decide()


def a_refused_order(stage: Stage, points: Sequence[str]) -> None:
    """Place an order that SCM refuses permanently."""
    with stage.failing("POST", ENROLL, "status", status=400, body=REFUSED):
        kill_workers(stage, points, [stage.place() for _ in points])


def a_busy_scm(stage: Stage, points: Sequence[str]) -> None:
    """Place an order while SCM reports that it is busy."""
    with stage.failing("POST", ENROLL, "status", status=400, body=BUSY):
        kill_workers(stage, points, [stage.place() for _ in points])


def a_refused_login(stage: Stage, points: Sequence[str]) -> None:
    """Place an order while SCM refuses the login, so that the account is suspended until it is verified."""
    for point in points:
        with stage.failing("POST", ENROLL, "status", status=401):
            kill_workers(stage, [point], [stage.place()])
        stage.type("account", "verify", "demo")


def a_lost_answer(stage: Stage, points: Sequence[str]) -> None:
    """Place an order that SCM accepts, and lose the response."""
    with stage.failing("POST", ENROLL, "drop_after"):
        kill_workers(stage, points, [stage.place() for _ in points])


def a_poll_that_scm_refuses(stage: Stage, points: Sequence[str]) -> None:
    """Place an order that SCM accepts and does not let us read: an operator has it polled again."""
    _refused_when_read(stage, points, DETAILS)


def a_fetch_that_scm_refuses(stage: Stage, points: Sequence[str]) -> None:
    """Place an order that SCM issues and does not let us collect: an operator has it polled again."""
    _refused_when_read(stage, points, COLLECT)


def an_order_of_another_system(stage: Stage, points: Sequence[str]) -> None:
    """Accept a command that came without an order, for which the worker places one."""
    commands = []
    for _ in points:
        wanted = stage.plant.wanted(stage.new_name())
        payload = wanted.model_dump(mode="json", exclude_defaults=True)
        commands.append(stage.accept(CommandType.ORDER, payload))
    kill_workers(stage, points, commands)


def a_whole_command(stage: Stage, points: Sequence[str]) -> None:
    """Send a command in Dramatiq's format directly to the workers' queue."""
    for point in points:
        send_to_workers(stage.vhost, order_event(stage.plant.wanted(stage.new_name())))
        kill(stage, [Death(point)], "worker", "--threads", "1")


def a_fault_of_ours(stage: Stage, points: Sequence[str]) -> None:
    """Make a step fail with an unexpected error: a password that is no text."""
    for point in points:
        with stage.password_of_bytes():
            stage.place()
            kill(stage, [Death(point)], "worker", "--threads", "1")


def a_sync(stage: Stage, points: Sequence[str]) -> None:
    """Kill the worker that reads SCM's organisations, domains and profiles."""
    syncs = [
        request_sync(
            stage.plant.database, SyncCommand(account="demo"), requested_by=Identity("os:test")
        )[0]
        for _ in points
    ]
    kill_workers(stage, points, syncs)


def a_poll_of_all(stage: Stage, points: Sequence[str]) -> None:
    """Poll every open order."""
    kill_workers(stage, points, [stage.accept(CommandType.POLL, {}) for _ in points])


def _refused_when_read(stage: Stage, points: Sequence[str], path: str) -> None:
    with stage.failing("GET", path, "status", status=400, body=NOT_ALLOWED):
        orders = [stage.place() for _ in points]
        kill_workers(stage, points, orders)
        stage.until_in_review(orders)
    stage.decide()
