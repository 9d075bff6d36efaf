"""Secrets at rest: Fernet keys from the environment, newest first; nothing is stored in the clear."""

import hashlib
import os
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from certline.models.settings import Settings


class NoSecretKeyError(Exception):
    """No usable Fernet key: `CERTLINE_SECRET_KEY` or `CERTLINE_SECRET_KEY_FILE` has to hold one."""


class WrongSecretKeyError(Exception):
    """The stored secret was encrypted with a key that this process does not have."""


class Vault:
    """Encrypts and decrypts fields with the newest key, and reads those of older keys."""

    def __init__(self, keys: str) -> None:
        """Take Fernet keys, newest first, separated by commas. Raises NoSecretKeyError."""
        given = [key.strip() for key in keys.split(",") if key.strip()]
        try:
            # Given twice, it is one key, at its first place.
            self._fernets = {_name_of(key): Fernet(key) for key in given}
        except ValueError as error:
            raise NoSecretKeyError(
                "a secret key is not a Fernet key (32 bytes, url-safe base64)"
            ) from error
        if not self._fernets:
            raise NoSecretKeyError("no secret key is set")

    def __repr__(self) -> str:
        return "Vault(***)"

    @property
    def keys(self) -> list[str]:
        """The names of the keys, newest first: what may be shown of a key."""
        return list(self._fernets)

    def seal(self, secret: bytes) -> bytes:
        """The secret, encrypted with the newest key."""
        return self._fernets[self.keys[0]].encrypt(secret)

    def open(self, sealed: bytes) -> bytes:
        """The secret again. Raises WrongSecretKeyError."""
        return self._open(sealed)[1]

    def key_of(self, sealed: bytes) -> str:
        """The name of the key that it was sealed with. Raises WrongSecretKeyError.

        Nothing in a Fernet token says so: each key is tried, the newest first.
        """
        return self._open(sealed)[0]

    def renew(self, sealed: bytes) -> bytes:
        """The same secret, sealed with the newest key. Raises WrongSecretKeyError."""
        key, secret = self._open(sealed)
        return sealed if key == self.keys[0] else self.seal(secret)

    def _open(self, sealed: bytes) -> tuple[str, bytes]:
        for name, fernet in self._fernets.items():
            try:
                return name, fernet.decrypt(sealed)
            except InvalidToken:
                continue
        raise WrongSecretKeyError(
            "a stored secret cannot be read with the secret keys of this process; "
            "is CERTLINE_SECRET_KEY the one it was stored with?"
        )


def open_vault(settings: Settings) -> Vault:
    """The vault of this process; embedded, a key is made on first use, readable by its owner only."""
    if settings.secret_key is not None:
        return Vault(settings.secret_key.get_secret_value())
    if settings.secret_key_file is not None:
        return Vault(_read(settings.secret_key_file))
    if not settings.embedded:
        raise NoSecretKeyError(
            "CERTLINE_SECRET_KEY (or CERTLINE_SECRET_KEY_FILE) is not set; make one with: python -c "
            "'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
        )
    return Vault(_own_key(settings.home / "secret.key"))


def _name_of(key: str) -> str:
    """Twelve hex digits of the key's SHA-256: they tell keys apart, and nothing about a key."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def _read(path: Path) -> str:
    try:
        return path.read_text().strip().replace("\n", ",")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise NoSecretKeyError(f"the secret key file {path} cannot be read: {why}") from error


def _own_key(path: Path) -> str:
    if path.exists():
        return _read(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written whole, then linked into place: two first starts at once must agree on one key.
    # Not named by the process id: in a container that is 1 at each start, also after a kill.
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)  # 0600
    draft = Path(name)
    with os.fdopen(handle, "wb") as file:
        file.write(Fernet.generate_key())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return _read(path)
