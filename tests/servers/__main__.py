"""Report of `python -m tests.servers`: where the tests' servers come from, or what is missing.

With CERTLINE_INSTALL=1, as root on Debian, missing packages are installed.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tests.servers import session
from tests.servers.discovery import (
    Machine,
    MissingServerError,
    Server,
    advise,
    find,
    this_machine,
)
from tests.servers.runtimes import prepare

# Asked by Debian's packages whether they may start their service; 101 means no.
POLICY = Path("/usr/sbin/policy-rc.d")


def main() -> int:
    """Look for each server, shared and private, and for what the examples need. Returns the exit code."""
    session.sweep()
    machine = this_machine()
    for server in Server:
        try:
            say(server, machine)
        except MissingServerError as missing:
            command = advise(server, machine).command
            if not command or os.environ.get("CERTLINE_INSTALL") != "1":
                click.echo(missing, err=True)
                return 1
            click.echo(f"CERTLINE_INSTALL=1, so: {' '.join(command)}", err=True)
            install(command)
            say(server, machine)
    return prepare(machine)


def say(server: Server, machine: Machine) -> None:
    """Print where the shared server and the private ones (which tests may kill) come from."""
    shared, private = find(server, machine), find(server, machine, private=True)
    line = str(shared)
    if private.origin is not shared.origin:
        line += f"; those that tests kill: {str(private).partition(': ')[2]}"
    click.echo(line)


def install(command: tuple[str, ...]) -> None:
    """Install packages with apt-get, after an update, since the package lists may be empty or old.

    Their services are not started: the tests have servers of their own, on other ports.
    """
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run([command[0], "-qq", "update"], env=environment, check=True)
    with services_refused(POLICY):
        subprocess.run([command[0], "-qq", *command[1:]], env=environment, check=True)


@contextmanager
def services_refused(policy: Path) -> Iterator[None]:
    """Let no package start its service meanwhile. A policy of the machine's own is left as it is."""
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
