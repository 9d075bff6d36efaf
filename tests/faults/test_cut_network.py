"""Fault tests of the network between each process and each server, cut in each way; accepted commands end well."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from sqlalchemy import select

from certline.models import Order, OrderStatus
from tests.faults.extent import at_length
from tests.faults.outsider import order_event, send_to_exchange
from tests.faults.stage import Stage
from tests.gate import Break, Proxy
from tests.servers import until

# (kind of break, bytes that still pass): at once, within the first words, and somewhere later.
LONG = [(how, after) for how in Break for after in (1, 700, 5_000)]
DROP, RESET, HANG = ((how, 700) for how in Break)

# Setting that holds a server's address, and the shortest settings in seconds to notice a dead connection.
VARIABLES = {"rabbitmq": "CERTLINE_RABBITMQ_URL", "postgres": "CERTLINE_DATABASE_URL"}
NOTICING = {"CERTLINE_SCM_READ_SECONDS": "1", "CERTLINE_SETTLE_SECONDS": "900"}
HEARTBEAT = "?heartbeat=1&blocked_connection_timeout=2&socket_timeout=2"

# A process, its server, and the breaks that the short form tries.
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
    """Put a proxy between a process, which runs, and a server; the other processes reach the server directly."""
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
    """Request a certificate through the process under test. Returns the command's id."""
    if part != "ingress":
        return stage.place().id
    event = order_event(stage.plant.wanted(stage.new_name()))
    send_to_exchange(stage.vhost, event)
    return str(event["id"])


def all_ended(stage: Stage, commands: list[str]) -> bool:
    """Check whether these orders are stored, or in `sending` because a response was lost."""
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
            if server == "scm":  # otherwise the breaker may be open, and nothing calls SCM
                stage.let_scm_recover()
            proxy.break_off(how, after=after)
            commands = [ask(stage, part) for _ in range(2)]
            until(proxy.broken.is_set, 60)
            asked = proxy.attempts
            # The process has noticed, where it can and must: Postgres' client waits without a limit,
            # and an order that was cut off rests without another call.
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
