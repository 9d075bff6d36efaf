"""Identities: who did something, for the audit log and for commands; what is known, and what was only claimed.

The beginning of a name says who vouches for it:

- `os:anna`: the operating system, by the uid of the process (behind sudo, that of the user who called it)
- `amqp:shop`: RabbitMQ, by the property `user_id`, which it compares with the login of the connection
- `certline:sweep`: certline itself, for what it does without being asked
- `unknown`: nobody; such a message, or a process in a user namespace (rootless containers), has a claim only

Names recorded before these namespaces existed have none. Nothing else writes a name without one.
"""

import os
import pwd
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Characters of a claim that are kept.
LONGEST_CLAIM = 200
# An identity as one text: the name, and the claim if there is one. Written by `str()`.
AS_TEXT = re.compile(r"(?s)(?P<name>.*?) \(claimed: (?P<claimed>.*)\)")
NAMESPACES = ("os:", "amqp:", "certline:", "unknown")


@dataclass(frozen=True)
class Identity:
    """Name of the person, system or part that did something: the established one, and the claimed one if any."""

    name: str
    claimed: str | None = None

    def __str__(self) -> str:
        return self.name if self.claimed is None else f"{self.name} (claimed: {self.claimed})"

    @classmethod
    def of_operating_system(
        cls,
        claimed: str | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        uid: int | None = None,
    ) -> "Identity":
        """Return the identity of this process' user: `os:` and the name that belongs to the uid.

        For root it is the user behind sudo, whom SUDO_UID names; every other user could set SUDO_UID. The claim
        is `claimed` (CERTLINE_WHO), or else a name in the environment that differs from the user's: SUDO_USER,
        LOGNAME, USER. In a user namespace nothing is known. `environment` and `uid`: those of this process if not
        given.
        """
        told = os.environ if environment is None else environment
        own = os.getuid() if uid is None else uid
        if in_user_namespace():
            # Whoever made the namespace has chosen the uid, and everybody may make one: `unshare --map-user`.
            return cls("unknown", _claim(claimed) or _claim(_login(own)))
        real = _behind_sudo(told) if own == 0 else own
        known = _login(real)
        names = (told.get(variable) for variable in ("SUDO_USER", "LOGNAME", "USER"))
        other = next((name for name in names if name and name not in (known, _login(own))), None)
        return cls(f"os:{known}", _claim(claimed) or _claim(other))

    @classmethod
    def of_message(cls, user_id: str | None, source: str | None) -> "Identity":
        """Return the identity of a message's sender. `user_id`: RabbitMQ's user if it vouches for one.

        `source`: what the sender wrote into the message, a claim.
        """
        return cls(f"amqp:{user_id}" if user_id else "unknown", _claim(source))

    @classmethod
    def of_part(cls, part: str) -> "Identity":
        """Return the identity of a part of certline, for what it does without being asked."""
        return cls(f"certline:{part}")

    @classmethod
    def of_row(cls, text: str) -> "Identity":
        """Return the identity that a row names, as written by `str()`."""
        found = AS_TEXT.fullmatch(text)
        return cls(text) if found is None else cls(found["name"], found["claimed"])

    @property
    def is_somebody(self) -> bool:
        """True for a person or system that is known, so not for certline itself, nor for a claim."""
        return self.name.startswith(("os:", "amqp:"))


WORKER = Identity.of_part("worker")
RELAY = Identity.of_part("relay")
PRODUCER = Identity.of_part("producer")
SCHEDULE = Identity.of_part("schedule")
SWEEP = Identity.of_part("sweep")
AUTO_RENEW = Identity.of_part("auto-renew")


def in_user_namespace(uid_map: Path = Path("/proc/self/uid_map")) -> bool:
    """Return True if this process's uids are those of a user namespace, not those of the machine (Linux)."""
    try:
        return uid_map.read_text().split() != ["0", "0", "4294967295"]
    except OSError:  # not Linux
        return False


def name_at_scm(text: str) -> str:
    """Return the requester whom SCM names for an imported order, such that it looks like no identity of ours."""
    return f"scm:{text}" if text.startswith(NAMESPACES) else text


def _behind_sudo(environment: Mapping[str, str]) -> int:
    """Return the uid of the user who called sudo, or 0 without one."""
    told = environment.get("SUDO_UID", "")
    # 10 digits: a uid has 32 bits.
    return int(told) if re.fullmatch(r"[0-9]{1,10}", told) else 0


def _login(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):  # in a container, the uid may have no passwd entry
        return f"uid={uid}"


def _claim(text: str | None) -> str | None:
    """Return a claim without what a terminal obeys, and cut to LONGEST_CLAIM; None if nothing is left."""
    return "".join(filter(str.isprintable, text or "")).strip()[:LONGEST_CLAIM] or None
