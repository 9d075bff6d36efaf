"""Fault tests of a RabbitMQ cluster: a node dies, is cut off, frozen or restarted while mixed commands arrive."""

import os
import time
from collections.abc import Callable

import click
import pytest

from certline.models import OrderStatus
from tests.faults.cluster.connections import FOUND_WITHIN
from tests.faults.cluster.line import ClusteredLine
from tests.faults.random.scale import at_length, is_long
from tests.servers import until
from tests.servers.cluster import NODES

pytestmark = pytest.mark.slow

COMMANDS = 300 if is_long() else 36
# Of `make cluster-faults`: what the commands are, and about which certificates.
SEEDS = [int(seed) for seed in os.environ.get("CERTLINE_TEST_SEEDS", "1").split()]


def leader_is_killed(line: ClusteredLine, commands: int) -> None:
    """Kill the node that leads the queue of orders (SIGKILL), and start it again later."""
    leader = line.leader()
    line.ask(commands // 3)
    begun = time.monotonic()
    line.cluster.nodes[leader].kill()
    line.measure(leader, begun)
    line.ask(commands // 3)
    line.cluster.nodes[leader].start()
    line.ask(commands)


def minority_is_cut_off(line: ClusteredLine, commands: int) -> None:
    """Cut the leader's node off from the two others, but not from its clients; join it again later."""
    leader = line.leader()
    line.ask(commands // 3)
    begun = time.monotonic()
    line.cluster.cut_off(leader)
    line.measure(leader, begun)
    line.ask(commands // 3)
    line.cluster.join_again(leader)
    until(lambda: line.cluster.running(leader) == NODES, 60, every=0.5)
    line.ask(commands)


def nodes_are_restarted_one_by_one(line: ClusteredLine, commands: int) -> None:
    """Restart each node as an upgrade does: stopped cleanly, and the next one once it runs again."""
    for number, node in enumerate(line.cluster.nodes):
        line.ask(commands // NODES)
        begun = time.monotonic()
        node.stop()
        line.measure(number, begun)
        node.start()
        until(lambda: line.cluster.running() == NODES, 60, every=0.5)
    line.ask(commands)


def leader_is_frozen(line: ClusteredLine, commands: int) -> None:
    """Freeze the leader's node (SIGSTOP): its connections stay open; let it go on later."""
    leader = line.leader()
    line.ask(commands // 3)
    begun = time.monotonic()
    line.cluster.nodes[leader].freeze()
    line.measure(leader, begun)
    line.ask(commands // 3)
    line.cluster.nodes[leader].thaw()
    until(lambda: line.cluster.running(leader) == NODES, 90, every=0.5)
    line.ask(commands)


Trouble = Callable[[ClusteredLine, int], None]
TROUBLES: list[Trouble] = [leader_is_killed, minority_is_cut_off, nodes_are_restarted_one_by_one]
# A frozen process is noticed by heartbeats only.
SECONDS_TO_NOTICE: dict[Trouble, float] = {leader_is_frozen: 30.0}


@pytest.mark.parametrize("trouble", at_length([*TROUBLES, leader_is_frozen], short=TROUBLES))
@pytest.mark.parametrize("seed", SEEDS)
def test_the_line_goes_on_by_itself_when(line: ClusteredLine, trouble: Trouble, seed: int) -> None:
    line.begin(seed, COMMANDS)

    trouble(line, COMMANDS)

    assert line.ended() == []
    assert line.stage.finish() == []
    assert line.slowest() <= SECONDS_TO_NOTICE.get(trouble, FOUND_WITHIN), line.found
    click.echo(
        f"{trouble.__name__}: {line.asked.total()} commands; found others within {line.found} s"
    )


ALARMS = {
    "memory": ("set_vm_memory_high_watermark", "absolute", "1MB"),
    "disk": ("set_disk_free_limit", "1000000GB"),
}
NO_ALARM = {
    "memory": ("set_vm_memory_high_watermark", "0.4"),
    "disk": ("set_disk_free_limit", "1MB"),
}


@pytest.mark.parametrize("scarce", ALARMS)
def test_under_an_alarm_of_one_node_the_line_waits_and_goes_on_afterwards(
    line: ClusteredLine, scarce: str
) -> None:
    stage, node = line.stage, line.cluster.nodes[-1]
    stage.until_well()
    node.ctl(*ALARMS[scarce])
    try:
        orders = [stage.place() for _ in range(3)]
        doctor = stage.plant.json("doctor", expect=1)
        (said,) = [each for each in doctor["checks"] if each["name"] == "RabbitMQ"]
        statuses = {stage.order(each).status for each in orders}
    finally:
        node.ctl(*NO_ALARM[scarce])

    assert not said["ok"]
    assert "an alarm blocks it (low on" in said["text"]
    assert scarce in said["text"]
    assert statuses == {OrderStatus.PLACED}
    until(lambda: {stage.order(each).status for each in orders} == {OrderStatus.STORED}, 60)
    assert line.ended() == []
    assert stage.finish() == []
