"""The user that a hook's command runs as, if not the worker's own."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

# Linux' capabilities that a worker needs if it is not root: their numbers (capability.h).
NEEDED = {"CAP_CHOWN": 0, "CAP_KILL": 5, "CAP_SETGID": 6, "CAP_SETUID": 7}
STATUS = Path("/proc/self/status")


class HookUserError(Exception):
    """The user in `CERTLINE_HOOK_USER` does not exist, or this worker may not run a program as that user."""


@dataclass(frozen=True)
class Owner:
    """The user and the group that secret files are given to, if not the worker's own."""

    uid: int
    gid: int


@dataclass(frozen=True)
class HookUser:
    """A user that commands run as, with the groups and the environment of that user."""

    name: str
    owner: Owner
    groups: tuple[int, ...]
    home: str
    shell: str

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that name the user."""
        return {"USER": self.name, "LOGNAME": self.name, "HOME": self.home, "SHELL": self.shell}


def hook_user(name: str | None) -> HookUser | None:
    """Return the user that `CERTLINE_HOOK_USER` names; None for the worker's own. Raises HookUserError."""
    if name is None:
        return None
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise HookUserError(f"CERTLINE_HOOK_USER: there is no user {name!r} here") from None
    if entry.pw_uid == os.geteuid():
        return None
    missing = [] if os.geteuid() == 0 else _missing()
    if missing:
        raise HookUserError(
            f"CERTLINE_HOOK_USER: this worker may not run commands as {name!r}: run it as root, or give it the "
            f"capabilities {', '.join(missing)}"
        )
    groups = tuple(os.getgrouplist(name, entry.pw_gid))
    return HookUser(name, Owner(entry.pw_uid, entry.pw_gid), groups, entry.pw_dir, entry.pw_shell)


def _missing() -> list[str]:
    """Return the capabilities that this process lacks; all of them where there are none, such as on macOS."""
    try:
        lines = STATUS.read_text().splitlines()
        held = next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff:"))
    except (OSError, StopIteration, ValueError):
        return list(NEEDED)
    return [name for name, number in NEEDED.items() if not held >> number & 1]
