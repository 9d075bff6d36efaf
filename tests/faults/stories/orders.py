"""Stories of orders: from a command to a stored certificate, and what SCM may answer on the way."""

from collections.abc import Sequence

from certline.models import CommandType
from certline.models.commands.payloads import SyncCommand
from certline.producers.requests.catalogue import request_sync
from tests.faults.crashing import Death
from tests.faults.killing import kill, kill_workers
from tests.faults.outsider import order_event, send_to_workers
from tests.faults.stage import Stage

ENROLL = "/ssl/v1/enroll$"
DETAILS = r"/ssl/v1/\d+$"
COLLECT = "/ssl/v1/collect/"
REFUSED = '{"code": -36, "description": "The term is invalid"}'
BUSY = '{"code": -618, "description": "Busy"}'
NOT_ALLOWED = '{"code": -3, "description": "Not authorized"}'


def an_order(stage: Stage, points: Sequence[str]) -> None:
    """An order goes all its way, and its worker dies once on it."""
    kill_workers(stage, points, [stage.place() for _ in points])


def a_refused_order(stage: Stage, points: Sequence[str]) -> None:
    """SCM says no to it, for good."""
    with stage.failing("POST", ENROLL, "status", status=400, body=REFUSED):
        kill_workers(stage, points, [stage.place() for _ in points])


def a_busy_scm(stage: Stage, points: Sequence[str]) -> None:
    """SCM says: later."""
    with stage.failing("POST", ENROLL, "status", status=400, body=BUSY):
        kill_workers(stage, points, [stage.place() for _ in points])


def a_refused_login(stage: Stage, points: Sequence[str]) -> None:
    """SCM refuses the login, so that the account is suspended until somebody verifies it."""
    for point in points:
        with stage.failing("POST", ENROLL, "status", status=401):
            kill_workers(stage, [point], [stage.place()])
        stage.type("account", "verify", "demo")


def a_lost_answer(stage: Stage, points: Sequence[str]) -> None:
    """SCM takes the order, and its answer is lost."""
    with stage.failing("POST", ENROLL, "drop_after"):
        kill_workers(stage, points, [stage.place() for _ in points])


def a_poll_that_scm_refuses(stage: Stage, points: Sequence[str]) -> None:
    """SCM has the order and shows it to nobody: a person has it asked for again."""
    _refused_when_read(stage, points, DETAILS)


def a_fetch_that_scm_refuses(stage: Stage, points: Sequence[str]) -> None:
    """SCM has issued and hands nothing out: a person has it asked for again."""
    _refused_when_read(stage, points, COLLECT)


def an_order_of_another_system(stage: Stage, points: Sequence[str]) -> None:
    """A command that came without an order: the worker places it."""
    commands = []
    for _ in points:
        wanted = stage.plant.wanted(stage.new_name())
        payload = wanted.model_dump(mode="json", exclude_defaults=True)
        commands.append(stage.accept(CommandType.ORDER, payload))
    kill_workers(stage, points, commands)


def a_whole_command(stage: Stage, points: Sequence[str]) -> None:
    """A system that speaks Dramatiq's format sends a command to the workers themselves."""
    for point in points:
        send_to_workers(stage.vhost, order_event(stage.plant.wanted(stage.new_name())))
        kill(stage, [Death(point)], "worker", "--threads", "1")


def a_fault_of_ours(stage: Stage, points: Sequence[str]) -> None:
    """A step fails in a way that it has no word for: here, a password that cannot be read."""
    for point in points:
        with stage.unreadable_password():
            stage.place()
            kill(stage, [Death(point)], "worker", "--threads", "1")


def a_sync(stage: Stage, points: Sequence[str]) -> None:
    """What SCM offers is read, and its reader dies."""
    syncs = [
        request_sync(stage.plant.database, SyncCommand(account="demo"), requested_by="test")[0]
        for _ in points
    ]
    kill_workers(stage, points, syncs)


def a_poll_of_all(stage: Stage, points: Sequence[str]) -> None:
    """Every open order is asked for."""
    kill_workers(stage, points, [stage.accept(CommandType.POLL, {}) for _ in points])


def _refused_when_read(stage: Stage, points: Sequence[str], path: str) -> None:
    with stage.failing("GET", path, "status", status=400, body=NOT_ALLOWED):
        orders = [stage.place() for _ in points]
        kill_workers(stage, points, orders)
        stage.until_in_review(orders)
    stage.decide()
