"""Fault tests of several hosts, whose clocks differ by five minutes: one is frozen, or cut off from one server."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import click
import pytest

from tests.conftest import migrate
from tests.faults.hosts.line import HEARTBEATS, HostedLine, Limits, line_on
from tests.faults.hosts.namespaces import Host, NoHostsError
from tests.faults.hosts.shifted_clock import NoCompilerError
from tests.faults.hosts.site import CLOCKS, DATABASE, MESSAGES, Site, open_site
from tests.faults.random.scale import is_long
from tests.servers.discovery import MissingServerError
from tests.support.documented_events import wrong_in

pytestmark = pytest.mark.slow

COMMANDS = 300 if is_long() else 36
SEEDS = [int(seed) for seed in os.environ.get("CERTLINE_TEST_SEEDS", "1").split()]
# Of connections, as in production; unknown outcomes settle sooner, but later than the longest order here.
USUAL = Limits(
    settings={
        "CERTLINE_SETTLE_SECONDS": "30",
        "CERTLINE_SCM_CONNECT_SECONDS": "3",
        "CERTLINE_SCM_READ_SECONDS": "5",
    }
)
# The short form waits for nothing longer than some seconds.
SHORT = Limits(
    settings={
        "CERTLINE_SETTLE_SECONDS": "9",
        "CERTLINE_SCM_CONNECT_SECONDS": "2",
        "CERTLINE_SCM_READ_SECONDS": "3",
        "CERTLINE_HEARTBEAT_SECONDS": "2",
    },
    postgres={
        "connect_timeout": "2",
        "keepalives_idle": "2",
        "keepalives_interval": "1",
        "keepalives_count": "2",
        "tcp_user_timeout": "4000",
        "options": "-c tcp_keepalives_idle=2 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=2 "
        "-c tcp_user_timeout=4000 -c idle_in_transaction_session_timeout=6000",
    },
    rabbitmq={"heartbeat": "8", "socket_timeout": "2"},
)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Yield a site; without what it needs, the test fails and names it."""
    with ExitStack() as stack:
        try:
            site = stack.enter_context(open_site())
        except (NoHostsError, NoCompilerError, MissingServerError) as missing:
            pytest.fail(str(missing))
        yield site


@pytest.fixture
def line(site: Site) -> Iterator[HostedLine]:
    """Yield a line on all hosts."""
    with site.postgres.database() as url:
        migrate(url)
        with line_on(site, url, USUAL if is_long() else SHORT) as line:
            yield line
        assert wrong_in(url) == []


def only_the_clocks_differ(line: HostedLine, host: Host, commands: int) -> None:
    """Work with clocks that are five minutes ahead and behind."""
    line.ask(commands // 2)
    line.measure_service()
    line.measure_return(host, time.monotonic())
    # The events' times are by the clock of the host that wrote them.
    assert line.clocks() == set(CLOCKS)


def is_frozen(line: HostedLine, host: Host, commands: int) -> None:
    """Freeze a host in the middle of orders (SIGSTOP) until others have finished them; then it wakes up."""
    line.ask(commands // 4)
    begun = time.monotonic()
    caught = line.freeze_in_the_middle(host)
    line.measure_service()
    line.ask(commands // 4)
    line.until_given_up(host, begun, HEARTBEATS, MESSAGES)
    line.until_settled(caught)
    begun = time.monotonic()
    line.thaw(host)
    line.measure_return(host, begun)


def is_cut_off_from_postgres(line: HostedLine, host: Host, commands: int) -> None:
    """Cut a host off from Postgres; it still gets messages, and reaches SCM."""
    line.ask(commands // 4)
    begun = time.monotonic()
    host.cut_off(DATABASE)
    line.measure_service()
    line.ask(commands // 4)
    line.until_given_up(host, begun, HEARTBEATS, DATABASE)
    begun = time.monotonic()
    host.join_again(DATABASE)
    line.measure_return(host, begun)


def is_cut_off_from_rabbitmq(line: HostedLine, host: Host, commands: int) -> None:
    """Cut a host off from RabbitMQ; it still has the database, and reaches SCM."""
    line.ask(commands // 4)
    begun = time.monotonic()
    host.cut_off(MESSAGES)
    line.measure_service()
    line.ask(commands // 4)
    line.until_given_up(host, begun, MESSAGES)
    begun = time.monotonic()
    host.join_again(MESSAGES)
    line.measure_return(host, begun)


Trouble = Callable[[HostedLine, Host, int], None]
TROUBLES: list[Trouble] = [
    # In the long form only: a delayed message of a retry may be left for minutes, by the clock of its host.
    *([only_the_clocks_differ] if is_long() else []),
    is_frozen,
    is_cut_off_from_postgres,
    is_cut_off_from_rabbitmq,
]


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("seed", SEEDS)
def test_each_intent_is_one_order_when_of_three_hosts_one(
    line: HostedLine, trouble: Trouble, seed: int
) -> None:
    line.begin(seed, COMMANDS)
    host = list(line.parts)[seed % len(line.parts)]

    trouble(line, host, COMMANDS)
    assert line.ended() == []
    # Now it has to do everything by itself: it works again, and not only by its own account.
    line.end_others(host)
    line.ask(COMMANDS)
    line.stage.place()

    assert line.stage.finish(timeout=180) == []
    assert line.asked["auto-renewal"] > 0
    click.echo(f"{trouble.__name__}: {line.asked.total()} commands; seconds: {line.measured}")
