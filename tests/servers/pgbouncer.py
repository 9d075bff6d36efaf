"""A PgBouncer in front of a Postgres server, in transaction mode."""

import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from tests.servers import session
from tests.servers.postgres import unprivileged
from tests.servers.process import Process, until

SETTINGS = """\
[databases]
* = host={host} port={port} user={user} {password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
# Few: transactions of many clients meet in the same session of Postgres.
default_pool_size = 4
max_client_conn = 200
ignore_startup_parameters = {ignored}
"""


class NoBouncerError(RuntimeError):
    """PgBouncer is not installed."""


class Bouncer:
    """A running PgBouncer. `url`: of the database through it."""

    def __init__(self, url: str, file: Path, process: Process) -> None:
        self.url = url
        self._file = file
        self._process = process

    def lead_to(self, port: int) -> None:
        """Lead to the server at another port from now on, as an operator or a failover's script does.

        Connections of clients stay open; those to the former server are closed after their transaction.
        """
        settings = self._file.read_text()
        self._file.write_text(re.sub(r" port=\d+ ", f" port={port} ", settings))
        self._process.popen.send_signal(signal.SIGHUP)


@contextmanager
def open_bouncer(database_url: str, *, ignored: str = "") -> Iterator[str]:
    """Yield the URL of a database through a PgBouncer of our own; otherwise as `running_bouncer`."""
    with running_bouncer(database_url, ignored=ignored) as bouncer:
        yield bouncer.url


@contextmanager
def running_bouncer(database_url: str, *, ignored: str = "") -> Iterator[Bouncer]:
    """Yield a PgBouncer of our own in front of a database, which is removed afterwards.

    `ignored`: startup parameters that it drops; it refuses others. Raises NoBouncerError, saying what to install.
    """
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if program is None:
        raise NoBouncerError("needs PgBouncer: apt-get install pgbouncer")
    user, group = unprivileged() if os.geteuid() == 0 else (None, None)
    home = Path(tempfile.mkdtemp(prefix="certline-pgbouncer-"))
    address = urlsplit(database_url)
    own_port = session.free_port()
    file = home / "pgbouncer.ini"
    file.write_text(
        SETTINGS.format(
            host=address.hostname,
            port=address.port or 5432,
            user=address.username,
            password=f"password={address.password}" if address.password else "",
            own_port=own_port,
            ignored=ignored,
        )
    )
    if user is not None:
        shutil.chown(home, user, group)
        shutil.chown(file, user, group)
    url = f"postgresql://any@127.0.0.1:{own_port}{address.path}"

    def is_up() -> bool:
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    try:
        with Process([program, file], cwd=home, user=user, group=group) as process:
            until(is_up, 30)
            yield Bouncer(url, file, process)
    finally:
        shutil.rmtree(home, ignore_errors=True)
