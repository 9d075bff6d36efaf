"""The file with the users of the board: a name and the argon2 hash of a password in each line."""

import fcntl
import os
import re
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from certline.models.file_rights import UnsafeFileError, require_private

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
# Characters of a password.
SHORTEST, LONGEST = 10, 1_000
# argon2id with the library's defaults (RFC 9106, low memory): 64 MiB and three passes.
HASHER = PasswordHasher()
# Passwords that are checked at once: each takes 64 MiB, and whoever guesses shall not take more.
AT_ONCE = threading.BoundedSemaphore(2)
HEAD = "# Users of the board: certline board user add NAME\n"


class UsersFileError(Exception):
    """The file, a name or a password cannot be used; the text says why, and what to do."""


class UsersFile:
    """The users of the board, as the file has them now."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, ...] | None = None
        self._users: Mapping[str, str] = {}
        # Checked in place of an unknown name's hash, so that the answer takes as long as for a known one.
        self._decoy = HASHER.hash(secrets.token_hex(16))

    def users(self) -> Mapping[str, str]:
        """Return the hashes by name, read again if the file has changed. Raises UsersFileError."""
        try:
            found = self.path.stat()
            seen = (found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode)
            with self._lock:
                if seen != self._seen:
                    require_private(self.path)
                    self._users = dict(_entries(self.path.read_text("utf-8"), self.path))
                    self._seen = seen
                return self._users
        except FileNotFoundError:
            raise UsersFileError(
                f"there is no file {self.path} with the board's users: certline board user add NAME makes it"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise UsersFileError(f"{self.path} cannot be read: {error}") from None
        except UnsafeFileError as fault:
            raise UsersFileError(str(fault)) from None

    def is_right(self, name: str, password: str) -> bool:
        """Check a password; it takes as long for an unknown name. Raises UsersFileError."""
        stored = self.users().get(name)
        with AT_ONCE:
            try:
                HASHER.verify(stored or self._decoy, password[:LONGEST])
            except (VerificationError, InvalidHashError):
                return False
        return stored is not None

    def add(self, name: str, password: str) -> bool:
        """Store a user, or another password for one. Returns True for a new one. Raises UsersFileError."""
        if NAME.fullmatch(name) is None:
            raise UsersFileError(
                f"{name!r} cannot be a user's name: letters, digits and . _ @ - only, 64 at most"
            )
        if not SHORTEST <= len(password) <= LONGEST:
            raise UsersFileError(
                f"a password has {SHORTEST} to {LONGEST:,} characters; this one has {len(password)}"
            )
        hashed = HASHER.hash(password)
        with self._changed() as users:
            is_new = name not in users
            users[name] = hashed
        return is_new

    def remove(self, name: str) -> bool:
        """Remove a user, whose sessions end with it. Returns False if there is none of that name."""
        with self._changed() as users:
            return users.pop(name, None) is not None

    @contextmanager
    def _changed(self) -> Iterator[dict[str, str]]:
        """Yield the users to change, and store them: completely or not at all, for the owner only (0600)."""
        try:
            lock = os.open(self.path.parent, os.O_RDONLY)
        except OSError as error:
            raise UsersFileError(f"{self.path.parent} cannot be opened: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two who add users at once lose neither
            users = dict(self.users()) if self.path.exists() else {}
            before = dict(users)
            yield users
            if users != before:
                self._write(users)
        finally:
            os.close(lock)

    def _write(self, users: Mapping[str, str]) -> None:
        draft = self.path.with_name(f".board-users.{secrets.token_hex(6)}")
        try:
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(HEAD)
                file.writelines(f"{name}:{hashed}\n" for name, hashed in sorted(users.items()))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
        except OSError as error:
            raise UsersFileError(f"{self.path} cannot be written: {error.strerror}") from None
        finally:
            with suppress(FileNotFoundError):
                draft.unlink()


def _entries(text: str, path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, hashed = line.strip().partition(":")
        if NAME.fullmatch(name) is None or not hashed.startswith("$argon2"):
            raise UsersFileError(
                f"{path}, line {number} is no `name:$argon2…`: certline board user add writes such lines"
            )
        yield name, hashed
