"""Requirements of the examples in other languages and of tests with programs of their own; what is missing."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from tests.servers.discovery import Machine
from tests.servers.replication import NoReplicationError, programs

EXAMPLES = Path(__file__).parents[2] / "examples"
JAVA_CLIENT = Path("/usr/share/java/amqp-client.jar")
MODULES = EXAMPLES / "node_modules"
# Seconds for npm to install the client.
PATIENCE = 120


@dataclass(frozen=True)
class Runtime:
    """The language of an example, Prometheus, a browser …: programs, a file besides, Debian's packages.

    `words`: the command of an example. `needed`: CI fails if something is missing. Elsewhere what needs it is
    reported as not run.
    """

    language: str
    words: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    file: Path | None = None
    packages: tuple[str, ...] = ()
    needed: bool = True


PYTHON = Runtime("Python", ("python", "order.py"))
JAVASCRIPT = Runtime(
    "JavaScript",
    ("node", "order.js"),
    programs=("node", "npm"),
    packages=("nodejs", "npm"),
)
JAVA = Runtime(
    "Java",
    ("java", "-cp", f"{JAVA_CLIENT}:/usr/share/java/slf4j-api.jar", "Order.java"),
    programs=("javac",),
    file=JAVA_CLIENT,
    packages=("default-jdk-headless", "librabbitmq-client-java"),
    needed=False,
)
RUNTIMES = (PYTHON, JAVASCRIPT, JAVA)
PROMETHEUS = Runtime(
    "Prometheus",
    programs=("prometheus", "promtool"),
    packages=("prometheus",),
)
# The programs alone: nothing is started.
SYSTEMD = Runtime("systemd", programs=("systemd-analyze",), packages=("systemd",))
CHROMIUM = Runtime("Chromium", programs=("chromium",), packages=("chromium",))
NAME_SERVERS = Runtime(
    "Name servers",
    programs=("knotd", "knsupdate", "named", "rndc"),
    packages=("knot", "knot-dnsutils", "bind9"),
)
# What else is tested with a program of its own.
SUITES = {
    PROMETHEUS: "Alerts and dashboard",
    CHROMIUM: "The board in a browser",
    SYSTEMD: "Checks of the units of systemd",
    NAME_SERVERS: "Validation of domains at real name servers",
}
# Where Debian has servers' programs, which isn't on every user's path.
PLACES = (*os.environ.get("PATH", os.defpath).split(os.pathsep), "/usr/sbin", "/usr/local/sbin")


def program_path(program: str) -> str | None:
    """Return the path of a program, looked for where servers are, too; None if it isn't installed."""
    return shutil.which(program, path=os.pathsep.join(PLACES))


def missing(
    runtime: Runtime, there: Callable[[str], object] = program_path, modules: Path = MODULES
) -> str | None:
    """Return what is missing for an example or a suite, with the command that installs it; None if nothing."""
    lacks = [program for program in runtime.programs if not there(program)]
    if runtime.file is not None and not runtime.file.exists():
        lacks.append(str(runtime.file))
    if lacks:
        install = f"on Debian: apt-get install -y {' '.join(runtime.packages)}"
        if runtime is PROMETHEUS:
            install += ", which also starts a service on port 9090; the tests don't use it"
        return f"it needs {', '.join(lacks)} ({install})"
    if runtime is JAVASCRIPT and not (modules / "amqplib").is_dir():
        return "it needs amqplib (npm ci --prefix examples, which `make test` does)"
    return None


def prepare(machine: Machine) -> int:
    """Install what is missing, and report for each example and suite whether it will be run.

    Returns 1 if CI lacks one. System packages are only installed with CERTLINE_INSTALL=1.
    """
    from tests.servers.__main__ import install  # noqa: PLC0415  # a circular import otherwise

    if machine.environ.get("CERTLINE_INSTALL") == "1" and machine.debian and machine.root:
        packages = to_install() + tools_to_install()
        if packages:
            command = ("apt-get", "install", "-y", "--no-install-recommends", *packages)
            click.echo(f"CERTLINE_INSTALL=1, so: {' '.join(command)}", err=True)
            install(command)
    get_modules()
    code = 0
    for runtime in (*RUNTIMES, *SUITES):
        lacks = missing(runtime)
        what = SUITES.get(runtime, f"Example in {runtime.language}")
        if lacks is None:
            click.echo(f"{what}: will be run")
            continue
        click.echo(f"{what}: NOT run, {lacks}", err=True)
        code |= is_fault(runtime, machine)
    return code


def is_fault(runtime: Runtime, machine: Machine) -> bool:
    """Return True if a missing runtime is an error: on CI, unless it is optional."""
    return runtime.needed and machine.environ.get("CI") == "true"


def to_install(there: Callable[[str], object] = program_path) -> list[str]:
    """Return Debian's packages for what is missing. Java's client is only included if Java is installed."""
    found: list[str] = []
    for runtime in (*RUNTIMES, *SUITES):
        if all(map(there, runtime.programs)):
            if runtime is JAVA and not JAVA_CLIENT.exists():
                found.append(runtime.packages[-1])
        elif runtime.needed:
            found += runtime.packages
    return found


def tools_to_install(there: Callable[[str], object] = shutil.which) -> list[str]:
    """Return Debian's packages for what the tests of a failover need, and those with several hosts."""
    found = [] if there("pgbouncer") or Path("/usr/sbin/pgbouncer").exists() else ["pgbouncer"]
    try:
        programs()
    except NoReplicationError:
        found.append("postgresql")
    if not there("ip") or not there("bridge"):
        found.append("iproute2")
    if not there("cc") and not there("gcc"):
        found += ["gcc", "libc6-dev"]
    return found


def get_modules() -> None:
    """Install the JavaScript client pinned by the lock file, in the examples' folder."""
    lock, installed = EXAMPLES / "package-lock.json", MODULES / ".package-lock.json"
    fresh = installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime
    npm = shutil.which("npm")
    if fresh or npm is None:
        return
    words = [npm, "ci", "--prefix", str(EXAMPLES), "--ignore-scripts", "--no-audit", "--no-fund"]
    words += ["--prefer-offline", "--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
    try:
        done = subprocess.run(
            words, env=os.environ, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        click.echo(f"npm ci was not done in {PATIENCE} s: is its registry reached?", err=True)
        return
    if done.returncode:
        click.echo(f"npm ci failed: {done.stderr.strip()[:500]}", err=True)
