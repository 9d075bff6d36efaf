"""The password of the embedded Postgres: made once, and asked for on every connection, also from this machine."""

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from certline.models.database.postgres_account import ServerAccount

HBA = "pg_hba.conf"
RULES = """\
# Written by certline: the only way in is the socket in CERTLINE_HOME/run, with the password in
# CERTLINE_HOME/postgres.password. The rules before this version are in pg_hba.conf.before.
local all all scram-sha-256
"""


def require_password(
    home: Path, data: Path, account: ServerAccount | None, run: Callable[[str], None]
) -> None:
    """See that the server, which does not run, will ask for the password in `home`; make one if there is none.

    `run` carries out a statement in the data. If this is interrupted, the next start repeats it: the rules, by
    which it is recognised as done, are written last. Raises OSError, and what `run` raises.
    """
    file = home / "postgres.password"
    if file.exists() and _rules(data) == RULES:
        return
    if not file.exists():
        _write(home, file.name, secrets.token_urlsafe(32), None)
    # token_urlsafe has no quote, and no character that Postgres' single-user mode would read otherwise.
    run(f"ALTER ROLE postgres WITH PASSWORD '{file.read_text()}';")
    with suppress(FileNotFoundError, FileExistsError):
        os.link(data / HBA, data / f"{HBA}.before", follow_symlinks=False)
    _write(data, HBA, RULES, account)


def _rules(data: Path) -> str | None:
    try:
        return (data / HBA).read_text()
    except (OSError, UnicodeDecodeError):
        return None


def _write(folder: Path, name: str, text: str, account: ServerAccount | None) -> None:
    """Write a file (0600) completely or not at all; a link of that name is replaced and not followed."""
    within = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        draft = f".{name}.{secrets.token_hex(6)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        handle = os.open(draft, flags, 0o600, dir_fd=within)
        with os.fdopen(handle, "w") as file:
            if account is not None:
                os.fchown(handle, account.uid, account.gid)
            file.write(text)
            file.flush()
            os.fsync(handle)
        os.replace(draft, name, src_dir_fd=within, dst_dir_fd=within)
        os.fsync(within)
    finally:
        os.close(within)
