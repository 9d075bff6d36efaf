"""`python -m tests.servers`: say where the servers of the tests come from, or what is missing.

With CERTLINE_INSTALL=1, as root on Debian, what is missing is installed.
"""

import os
import subprocess
import sys

import click

from tests.servers import run
from tests.servers.finding import Machine, MissingServerError, Server, advise, find, this_machine
from tests.servers.runtimes import prepare


def main() -> int:
    """Look for each server twice: the one that tests share, and the ones that tests may kill; then for
    what the examples need.
    """
    run.sweep()
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
    """One line: where the shared one and the private ones of a server come from."""
    shared, private = find(server, machine), find(server, machine, private=True)
    line = str(shared)
    if private.origin is not shared.origin:
        line += f"; those that tests kill: {str(private).partition(': ')[2]}"
    click.echo(line)


def install(command: tuple[str, ...]) -> None:
    """Run the line that a person would have typed; the package lists may be empty or old."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run([command[0], "-qq", "update"], env=environment, check=True)
    subprocess.run([command[0], "-qq", *command[1:]], env=environment, check=True)


if __name__ == "__main__":
    sys.exit(main())
