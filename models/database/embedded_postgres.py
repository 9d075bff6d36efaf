"""Embedded Postgres with its data in `CERTLINE_HOME`, for an installation without a database server.

postgres/            the data, of the user that the server runs as
run/                 its socket, 0700 and of the same user: nobody else reaches the server
postgres.password    0600: whoever connects needs it as well
postgres.users       the processes that use the server: the last one stops it
"""

import atexit
import fcntl
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from certline.models.database.postgres_access import require_password
from certline.models.database.postgres_account import (
    NoDatabaseError,
    ServerAccount,
    ServerProgram,
    account_for,
    program_for,
)
from certline.models.file_rights import make_home
from certline.models.settings import Settings

# Of the server: its name for the port, which is a part of the socket's name only; and seconds to start or stop.
SOCKET, PATIENCE = ".s.PGSQL.5432", 60
# Bytes of a socket's path (sun_path, without its NUL).
LONGEST = 107 if sys.platform == "linux" else 103
# What a list of hosts (libpq) and the shell of pg_ctl would not take as a part of a path.
ODD = frozenset(',"`$\\\n')
# Homes whose server this process uses, with its own id: a forked child is a user of its own.
_used: dict[tuple[int, Path], str] = {}


def database_url(settings: Settings) -> str:
    """Return the URL of the database; starts the embedded one if no URL is configured.

    The embedded server stops with the last process that uses it. Raises NoDatabaseError, UnsafeFileError.
    """
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    try:
        return _use(settings.home.expanduser())
    except OSError as error:
        raise NoDatabaseError(
            f"CERTLINE_HOME ({settings.home}) cannot be used for the embedded Postgres: {error.strerror or error}"
        ) from error


def _use(home: Path) -> str:
    program = program_for(home)
    make_home(home)
    home = home.resolve()
    used = _used.get((os.getpid(), home))
    if used is not None:
        return used
    server = EmbeddedServer(home, program)
    _end_tidily_on(signal.SIGHUP, signal.SIGTERM)
    with server.locked():
        url = server.start()
        server.set_users([*server.users(), os.getpid()])
    atexit.register(_leave, os.getpid(), server)
    _used[os.getpid(), home] = url
    return url


def _leave(pid: int, server: "EmbeddedServer") -> None:
    """Stop the server if this process was its last user."""
    if pid != os.getpid():  # a forked child, which is another user or none
        return
    with suppress(OSError), server.locked():
        left = [user for user in server.users() if user != pid]
        server.set_users(left)
        if not left:
            server.stop()


class EmbeddedServer:
    """The server of a home; whoever calls a method holds the lock."""

    def __init__(self, home: Path, program: ServerProgram) -> None:
        self.home, self.data, self.sockets = home, home / "postgres", home / "run"
        self._program = program
        self._account: ServerAccount | None = None
        self._users = home / "postgres.users"
        if ODD & set(str(home)):
            raise NoDatabaseError(
                f"CERTLINE_HOME ({home}) contains one of the characters {' '.join(sorted(ODD - {chr(10)}))}, "
                "which the embedded Postgres would read as something else: choose another folder"
            )
        length = len(os.fsencode(self.sockets / SOCKET))
        if length > LONGEST:
            raise NoDatabaseError(
                f"CERTLINE_HOME ({home}) is too long a path for the embedded Postgres: its socket's path would "
                f"have {length} bytes, and at most {LONGEST} are possible; choose a shorter one, such as "
                "/var/lib/certline"
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from starting or stopping the server for the length of the block."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(self.home / "postgres.lock", flags, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def users(self) -> list[int]:
        """Return the processes that use the server, without those that were killed."""
        try:
            return [pid for pid in json.loads(self._users.read_text()) if _runs(pid)]
        except (OSError, ValueError):
            return []

    def set_users(self, pids: Sequence[int]) -> None:
        """Note the processes that use the server."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(os.open(self._users, flags, 0o600), "w") as file:
            json.dump(sorted(set(pids)), file)

    def start(self) -> str:
        """Start the server unless it runs, and return its URL. Raises NoDatabaseError."""
        self._account = account_for(self.home)
        folder = self._folder_in_use()
        if folder is None:
            self._program = self._program.reachable_for(self._account)
            self._prepare()
            self._launch()
            folder = self.sockets
        password = self.home / "postgres.password"
        try:
            secret = password.read_text()
        except FileNotFoundError:
            if folder == self.sockets:
                raise NoDatabaseError(
                    f"{password}, with which the running embedded Postgres is reached, is missing: stop all "
                    "processes of certline; the next one makes a new password"
                ) from None
            secret = ""  # a server that an earlier version has started: it asks for none
        return f"postgresql://postgres:{secret}@/postgres?host={quote(str(folder))}"

    def stop(self) -> None:
        """Stop the server."""
        if self._folder_in_use() is None:
            return
        for how in ("fast", "immediate"):
            done = self._run(
                "pg_ctl", "-w", "-t", str(PATIENCE), "-D", str(self.data), "-m", how, "stop"
            )
            if done.returncode == 0:
                return

    def _folder_in_use(self) -> Path | None:
        """Return the folder of the socket on which the server answers; None if it does not run."""
        # An earlier version had the socket beside the data.
        for folder in (self.sockets, self.data):
            with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
                probe.connect(str(folder / SOCKET))
                return folder
        return None

    def _prepare(self) -> None:
        """Make the data and the socket's folder if they are missing, and see that a password is needed."""
        for folder in (self.data, self.sockets):
            with suppress(FileExistsError):
                folder.mkdir(mode=0o700)
            if self._account is not None:
                os.chown(folder, self._account.uid, self._account.gid)
        self.sockets.chmod(0o700)
        if self._account is not None:
            self._account.require_way(self.home, self.data)
        version = self.data / "PG_VERSION"
        if not version.exists():
            # No method lets anybody in, until there is a password.
            self._must(
                "initdb", "--auth=reject", "--encoding=utf8", "-U", "postgres", "-D", str(self.data)
            )
        elif version.read_text().strip() != self._program.version:
            raise NoDatabaseError(
                f"the data in {self.data} are of Postgres {version.read_text().strip()}, and the installed one is "
                f"{self._program.version}"
            )
        require_password(self.home, self.data, self._account, self._command)

    def _command(self, statement: str) -> None:
        """Run a statement in the data while no server runs: the single-user mode asks for no password."""
        words = ("--single", "-D", str(self.data), "postgres")
        done = self._run("postgres", *words, given=f"{statement}\n")
        if done.returncode or "ERROR:" in done.stderr or "FATAL:" in done.stderr:
            raise NoDatabaseError(
                f"the embedded Postgres could not be given a password; its log is {self.data / 'log'}"
            )

    def _launch(self) -> None:
        # A folder's name may contain blanks and commas: quoted for Postgres' list, and for the shell of pg_ctl.
        options = shlex.join(["-h", "", "-k", f'"{self.sockets}"'])
        words = ["-w", "-t", str(PATIENCE), "-o", options, "-l", str(self.data / "log")]
        self._must("pg_ctl", *words, "-D", str(self.data), "start")

    def _must(self, name: str, *words: str) -> None:
        done = self._run(name, *words)
        if done.returncode:
            why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise NoDatabaseError(
                f"the embedded Postgres could not be started: {name}: {why}; its log is {self.data / 'log'}"
            )

    def _run(
        self, name: str, *words: str, given: str | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run one of the server's programs as its user, with nothing of our settings in its environment."""
        # A file, since a server that goes on would keep a pipe open.
        with tempfile.TemporaryFile("w+", errors="replace") as said:
            done = subprocess.run(  # noqa: S603  # programs of the wheel
                [self._program.path(name), *words],
                input=given,
                stdin=subprocess.DEVNULL if given is None else None,
                stdout=subprocess.DEVNULL,
                stderr=said,
                text=True,
                check=False,
                cwd="/",
                env=environment(),
                **({} if self._account is None else self._account.as_user()),
            )
            said.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, "", said.read())


def environment() -> dict[str, str]:
    """Return the environment of the server: of ours only what is about places and language, and no secret."""
    kept = ("PATH", "TZ", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "LC_COLLATE", "LC_MESSAGES")
    return {name: os.environ[name] for name in kept if name in os.environ}


def _end_tidily_on(*numbers: int) -> None:
    """Turn signals that would kill this process at once into a normal exit, which releases the server."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in numbers:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda got, _frame: sys.exit(128 + got))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
