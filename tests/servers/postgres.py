# ruff: noqa: D102 -- the methods of a server are documented once, in its base class
"""Postgres servers for tests, some of which stop, kill and restart them."""

import os
import pwd
import shutil
import signal
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, urlsplit

import psutil  # type: ignore[import-untyped]
import psycopg
from psycopg import sql

from tests.servers import session
from tests.servers.container import Container
from tests.servers.discovery import Found, Origin, Server, find, this_machine
from tests.servers.process import Process, until

PASSWORD = "secret"
LOOPBACK = "127.0.0.1"
# Tests kill processes, not machines, so the operating system keeps all writes: syncing to disk is not needed.
SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}
# Postgres refuses to run as root; these existing users have few permissions.
UNPRIVILEGED = ("postgres", "nobody")


class PostgresServer(ABC):
    """A running server; `url` is the address of its maintenance database."""

    url: str

    @abstractmethod
    def start(self) -> None:
        """Start the server, and return once it accepts connections."""

    @abstractmethod
    def stop(self, *, immediate: bool = False) -> None:
        """Stop the server: connections are closed, or with `immediate` just dropped, as in a crash."""

    @abstractmethod
    def kill(self) -> None:
        """Send SIGKILL to every process of the server."""

    @abstractmethod
    def close(self) -> None:
        """Stop the server and remove everything of it."""

    def restart(self, *, immediate: bool = True) -> None:
        """Stop and start the server; its address stays the same."""
        self.stop(immediate=immediate)
        self.start()

    @contextmanager
    def database(self, template: str | None = None) -> Iterator[str]:
        """Yield the URL of a new database, empty or a copy of the one at `template`; it is dropped afterwards."""
        name = session.name()
        source = "template1" if template is None else urlsplit(template).path.removeprefix("/")
        self._execute("CREATE DATABASE {} TEMPLATE {}", name, source)
        try:
            yield urlsplit(self.url)._replace(path=f"/{name}").geturl()
        finally:
            with suppress(psycopg.OperationalError):  # the test has stopped the server
                self._execute("DROP DATABASE {} WITH (FORCE)", name)

    def is_ready(self) -> bool:
        """Return True if the server executes a query."""
        try:
            self._execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _execute(self, statement: str, *names: str) -> None:
        identifiers = [sql.Identifier(name) for name in names]
        with psycopg.connect(self.url, autocommit=True, connect_timeout=5) as connection:
            connection.execute(sql.SQL(statement).format(*identifiers))


class GivenPostgres(PostgresServer):
    """A server at a given address: used, never stopped."""

    def __init__(self, url: str) -> None:
        self.url = url
        # This connection marks the run as alive: without it, other runs drop its databases (see below).
        self.presence = psycopg.connect(
            url,
            autocommit=True,
            connect_timeout=5,
            application_name=f"certline_test_{session.suffix()}",
        )
        self._drop_abandoned()

    def start(self) -> None:
        raise RuntimeError(_NOT_OURS)

    def stop(self, *, immediate: bool = False) -> None:  # noqa: ARG002
        raise RuntimeError(_NOT_OURS)

    def kill(self) -> None:
        raise RuntimeError(_NOT_OURS)

    def close(self) -> None:
        self.presence.close()

    def _drop_abandoned(self) -> None:
        """Drop the databases of killed runs, recognised by the missing connection of that name."""
        rows = self.presence.execute(
            """SELECT datname FROM pg_database
            WHERE datname ~ '^certline_test_[^_]+_[0-9]+$' AND split_part(datname, '_', 3) NOT IN
              (SELECT split_part(application_name, '_', 3) FROM pg_stat_activity
               WHERE application_name LIKE 'certline_test_%')"""
        ).fetchall()
        for (name,) in rows:
            with suppress(psycopg.Error):  # dropped by another run meanwhile, or not owned by us
                self._execute("DROP DATABASE {} WITH (FORCE)", name)


_NOT_OURS = "This server was given; tests that stop one take the fixture `private_postgres`."


class ContainerPostgres(PostgresServer):
    """A server in a container."""

    def __init__(self, image: str) -> None:
        settings = {"POSTGRES_PASSWORD": PASSWORD, "LANG": "C.UTF-8"}
        self.container = Container(image, 5432, settings)
        self.url = _url(self.container.host, self.container.outside)
        until(self.is_ready, 60)

    def start(self) -> None:
        self.container.start()
        until(self.is_ready, 60)

    def stop(self, *, immediate: bool = False) -> None:
        self.container.stop("SIGQUIT" if immediate else "SIGINT")

    def kill(self) -> None:
        self.container.kill()

    def close(self) -> None:
        self.container.close()


class LocalPostgres(PostgresServer):
    """A server of our own, started from a local installation, with its data in the run's folder."""

    def __init__(self, program: Path, address: str = LOOPBACK) -> None:
        """Create and start the server, which listens on this address and admits those of its network."""
        self.address = address
        self.user: str | None = None
        self.group: int | None = None
        if os.geteuid() == 0:
            self.user, self.group = unprivileged()
        self.programs = program.parent
        if self.user and not _is_open_to_all(program):
            self.programs = _copy(program)
        self.data = session.subfolder("postgres")
        if self.user:
            shutil.chown(self.data, self.user, self.group)
        self.port = session.free_port()
        self.url = _url(address, self.port)
        self.process: Process | None = None
        self._create()
        self.start()

    def start(self) -> None:
        # The lock file of a killed server names a process id that another process may have by now.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        settings = SETTINGS | {
            "port": str(self.port),
            "listen_addresses": self.address,
            "unix_socket_directories": "",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self.process = self._process("postgres", "-D", self.data, *options)
        process = self.process

        def is_up() -> bool:
            if process.exit_code is not None:
                raise ChildProcessError(f"Postgres did not start:\n{process.output}")
            return self.is_ready()

        until(is_up, 60)

    def stop(self, *, immediate: bool = False) -> None:
        self._end(signal.SIGQUIT if immediate else signal.SIGINT)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.data, ignore_errors=True)

    def _end(self, how: signal.Signals) -> None:
        if self.process is None or self.process.exit_code is not None:
            return
        # Every backend has a process group of its own, and a new server can only start once the last has ended.
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.popen.send_signal(how)
        self.process.wait()
        if how is signal.SIGKILL:
            for child in children:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
        until(lambda: not any(session.is_alive(child) for child in children), 30)

    def _create(self) -> None:
        secret = self.data.with_suffix(".password")
        secret.write_text(PASSWORD)
        secret.chmod(0o600)
        if self.user:
            shutil.chown(secret, self.user, self.group)
        creation = self._process(
            *("initdb", "-D", self.data, "--username=postgres", "--auth=scram-sha-256"),
            *("--encoding=UTF8", "--locale=C", "--no-sync", f"--pwfile={secret}"),
        )
        if creation.wait(120):
            raise ChildProcessError(f"No database cluster could be made:\n{creation.output}")
        secret.unlink()
        if self.address != LOOPBACK:
            with (self.data / "pg_hba.conf").open("a") as file:
                file.write(f"host all all {self.address}/24 scram-sha-256\n")

    def _process(self, name: str, *args: str | Path) -> Process:
        program = self.programs / name
        return Process([program, *args], cwd=self.data, user=self.user, group=self.group)


@contextmanager
def open_postgres(*, private: bool = False) -> Iterator[PostgresServer]:
    """Yield a server of the best origin available; a private one is new and may be killed."""
    server = _start(find(Server.POSTGRES, this_machine(), private=private))
    try:
        yield server
    finally:
        server.close()


def _start(found: Found) -> PostgresServer:
    match found.origin:
        case Origin.GIVEN:
            return GivenPostgres(found.where)
        case Origin.DOCKER:
            return ContainerPostgres(found.where)
        case Origin.LOCAL:
            return LocalPostgres(Path(found.where))


def _url(host: str, port: int) -> str:
    return f"postgresql://postgres:{quote(PASSWORD)}@{host}:{port}/postgres"


def unprivileged() -> tuple[str, int]:
    for name in UNPRIVILEGED:
        with suppress(KeyError):
            return name, pwd.getpwnam(name).pw_gid
    raise RuntimeError(
        f"Postgres does not run as root, and this machine has none of the users {UNPRIVILEGED}."
    )


def _is_open_to_all(program: Path) -> bool:
    """Return True if other users than root can reach and run the program."""
    return all(folder.stat().st_mode & 0o001 for folder in (program, *program.resolve().parents))


def _copy(program: Path) -> Path:
    """Copy the programs and their libraries, once per run, to a folder that other users can read."""
    copy = session.folder() / "postgres-programs"
    version = program.parents[1]
    package = version.parent
    if not copy.exists():
        shutil.copytree(version, copy / package.name / version.name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, copy / libraries.name, symlinks=True)
        for path in (copy, *copy.rglob("*")):
            if not path.is_symlink():
                mode = path.stat().st_mode
                path.chmod(mode | (0o055 if mode & 0o100 else 0o044))
    return copy / package.name / version.name / "bin"
