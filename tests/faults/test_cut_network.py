"""The network between each pair of parts and servers fails in each way; whatever was accepted ends well."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from sqlalchemy import select

from certline.models import Order, OrderStatus
from tests.faults.harness.external_client import order_event, send_to_exchange
from tests.faults.harness.scenario import Stage
from tests.faults.random.scale import at_length
from tests.servers import until
from tests.support.proxy import Break, Proxy

pytestmark = pytest.mark.slow

# How it is cut, and how many bytes still pass: at once, within the first words, and somewhere later.
LONG = [(how, after) for how in Break for after in (1, 700, 5_000)]
DROP, RESET, HANG = ((how, 700) for how in Break)

# What a part is told by, and how it notices that nothing comes any more: seconds, as short as they go.
VARIABLES = {"rabbitmq": "CERTLINE_RABBITMQ_URL", "postgres": "CERTLINE_DATABASE_URL"}
NOTICING = {"CERTLINE_SCM_READ_SECONDS": "1", "CERTLINE_SETTLE_SECONDS": "900"}
HEARTBEAT = "?heartbeat=1&blocked_connection_timeout=2&socket_timeout=2"

# A part, its server, and what the short form tries.
PAIRS = [
    ("worker", "scm", [DROP, RESET, HANG]),
    ("worker", "rabbitmq", [HANG]),
    ("worker", "postgres", [RESET]),
    ("relay", "rabbitmq", [RESET]),
    ("relay", "postgres", [DROP]),
    ("ingress", "rabbitmq", [DROP]),
    ("ingress", "postgres", [HANG]),
]


@contextmanager
def cut_between(stage: Stage, part: str, server: str) -> Iterator[Proxy]:
    """A proxy between a part, which runs, and a server; the other parts reach it as ever."""
    known = stage.plant.environment
    url = stage.simulator.url if server == "scm" else known[VARIABLES[server]]
    with Proxy(url) as proxy:
        environment = dict(NOTICING)
        if server == "scm":
            stage.move_account(proxy.url)
        else:
            environment[VARIABLES[server]] = proxy.url + HEARTBEAT * (server == "rabbitmq")
        stage.stop(part)
        if part != "worker":
            stage.start("worker")
        stage.start(part, environment=environment)
        stage.until_well()
        yield proxy
        proxy.mend()


def ask(stage: Stage, part: str) -> str:
    """Ask for a certificate, by the door that the part minds; answers the command's id."""
    if part != "ingress":
        return stage.place().id
    event = order_event(stage.plant.wanted(stage.new_name()))
    send_to_exchange(stage.vhost, event)
    return str(event["id"])


def all_ended(stage: Stage, commands: list[str]) -> bool:
    """Whether these are stored, or rest because an answer was lost."""
    with stage.plant.database.transaction() as db:
        query = select(Order.status).where(Order.command_id.in_(commands))
        found = list(db.scalars(query))
    return len(found) == len(commands) and {*found} <= {OrderStatus.STORED, OrderStatus.SENDING}


@pytest.mark.parametrize(("part", "server", "short"), PAIRS)
def test_the_network_is_cut_between(
    stage: Stage, part: str, server: str, short: list[tuple[Break, int]]
) -> None:
    with cut_between(stage, part, server) as proxy:
        for how, after in at_length(LONG, short=short):
            if server == "scm":  # else the breaker may be open, and nobody calls
                stage.let_scm_recover()
            proxy.break_off(how, after=after)
            commands = [ask(stage, part) for _ in range(2)]
            until(proxy.broken.is_set, 60)
            asked = proxy.attempts
            # Somebody has noticed, where anybody can and has to: Postgres' client waits for as long as
            # it takes, and an order that was cut off rests without another call.
            if server != "scm" and (server != "postgres" or how is not Break.HANG):
                until(lambda asked=asked: proxy.attempts > asked, 60)  # type: ignore[misc]
            proxy.mend()
            until(partial(all_ended, stage, commands), 90, every=0.2)
        if server == "scm":
            stage.let_scm_recover()
        stage.stop("worker")
        stage.age()
        stage.start("worker", environment=NOTICING)
        stage.place()

        assert stage.finish() == []
