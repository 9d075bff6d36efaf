"""Connections of certline's processes to the nodes of a cluster, as the kernel knows them."""

import time
from collections.abc import Collection, Mapping
from contextlib import suppress

import click
import psutil  # type: ignore[import-untyped]

from tests.servers import until
from tests.support.forkserver import Part

# Seconds in which every part has to be connected to another node.
FOUND_WITHIN = 10.0


def connected(part: Part, ports: Collection[int]) -> int:
    """Count the connections of a part, with its child processes, to servers on these ports."""
    found = 0
    with suppress(psutil.NoSuchProcess):
        main = psutil.Process(part.pid)
        for process in (main, *main.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                found += sum(
                    each.status == psutil.CONN_ESTABLISHED and each.raddr.port in ports
                    for each in process.net_connections("tcp")
                    if each.raddr
                )
    return found


def seconds_to_find(
    parts: Mapping[str, tuple[Part, int]],
    dead: Collection[int],
    alive: Collection[int],
    begun: float,
) -> dict[str, float]:
    """Wait until each part has as many connections to nodes that live as it needs, and none to the dead.

    `parts`: each with the number of connections that it needs; `begun`: when the nodes died (monotonic seconds).
    Returns after how many seconds each part had them; infinity, and a line of what it has, after a minute.
    """
    found: dict[str, float] = {}

    def all_found() -> bool:
        for name, (part, needed) in parts.items():
            there = connected(part, alive) >= needed and not connected(part, dead)
            if there and name not in found:
                found[name] = round(time.monotonic() - begun, 1)
        return len(found) == len(parts)

    with suppress(TimeoutError):
        until(all_found, 60, every=0.1)
    for name in parts.keys() - found.keys():
        part, needed = parts[name]
        there, left = connected(part, alive), connected(part, dead)
        click.echo(f"{name}: {there} of {needed} connections to live nodes, {left} to dead ones")
        found[name] = float("inf")
    return found
