"""The vault: encrypts secrets before they are stored, with Fernet keys from the environment (newest first)."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from certline.models.file_rights import make_home, require_private
from certline.models.settings import Settings


class NoSecretKeyError(Exception):
    """No usable secret key in `CERTLINE_SECRET_KEY` or `CERTLINE_SECRET_KEY_FILE`."""


class WrongSecretKeyError(Exception):
    """A stored secret was encrypted with a key that this process does not have."""


class WithdrawnVaultError(Exception):
    """The secret keys of this running process are no longer those of the installation: it has to be restarted."""


class Vault:
    """A set of secret keys: encrypts with the newest, decrypts with any of them.

    `recheck`: returns why the keys are not those of the installation, or None. It is called when a secret does
    not open, before that secret is blamed. `withdrawn`: that reason, once it is known; then nothing is encrypted
    or decrypted any more, because other processes could not read the one and this one not the other.
    """

    def __init__(self, keys: str) -> None:
        """Load Fernet keys separated by commas, newest first. Raises NoSecretKeyError if there is no valid one."""
        given = [key.strip() for key in keys.split(",") if key.strip()]
        try:
            # By name: a key given twice counts once, at its first place.
            self._fernets = {_name_of(key): Fernet(key) for key in given}
        except ValueError as error:
            raise NoSecretKeyError(
                "a secret key in CERTLINE_SECRET_KEY (or its file) is not a Fernet key (32 bytes, url-safe "
                "base64); to make a key: certline keys new"
            ) from error
        if not self._fernets:
            raise NoSecretKeyError("no secret key is set")
        self.recheck: Callable[[], str | None] | None = None
        self.withdrawn: str | None = None

    def __repr__(self) -> str:
        return "Vault(***)"

    @property
    def keys(self) -> list[str]:
        """Names of the keys, newest first. A name may be displayed, a key may not."""
        return list(self._fernets)

    def only(self, name: str) -> "Vault":
        """Return a vault with one of the keys, given by name."""
        alone = Vault.__new__(Vault)
        alone._fernets = {name: self._fernets[name]}  # noqa: SLF001  # its own kind
        alone.recheck = alone.withdrawn = None
        return alone

    def seal(self, secret: bytes) -> bytes:
        """Return the secret encrypted with the newest key, as a Fernet token. Raises WithdrawnVaultError."""
        self._require_standing()
        return self._fernets[self.keys[0]].encrypt(secret)

    def open(self, sealed: bytes) -> bytes:
        """Return the decrypted secret. Raises WrongSecretKeyError if no key opens it, WithdrawnVaultError."""
        return self._decrypted(sealed)[1]

    def key_of(self, sealed: bytes) -> str:
        """Return the name of the key that opens the secret. Raises WrongSecretKeyError if none does.

        A Fernet token does not name its key, so each key is tried, the newest first.
        """
        return self._open(sealed)[0]

    def renew(self, sealed: bytes) -> bytes:
        """Return the secret encrypted with the newest key; unchanged if it is already.

        Raises WrongSecretKeyError if no key opens it, WithdrawnVaultError.
        """
        key, secret = self._decrypted(sealed)
        return sealed if key == self.keys[0] else self.seal(secret)

    def _decrypted(self, sealed: bytes) -> tuple[str, bytes]:
        self._require_standing()
        try:
            return self._open(sealed)
        except WrongSecretKeyError:
            # Either this secret is unreadable, or other processes have got another key meanwhile.
            if self.recheck is not None:
                self.withdrawn = self.recheck()
            self._require_standing()
            raise

    def _require_standing(self) -> None:
        if self.withdrawn is not None:
            raise WithdrawnVaultError(self.withdrawn)

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
    """Return the vault of this process.

    With the embedded database and no key configured, a key is generated in `home` on first use, readable only by
    its owner. Otherwise raises NoSecretKeyError if no valid key is configured.
    """
    if settings.secret_key is not None:
        return Vault(settings.secret_key.get_secret_value())
    if settings.secret_key_file is not None:
        return Vault(_read(settings.secret_key_file))
    if not settings.embedded:
        raise NoSecretKeyError(
            "CERTLINE_SECRET_KEY (or CERTLINE_SECRET_KEY_FILE) is not set; to make a key: certline keys new"
        )
    try:
        return Vault(_own_key(settings.home / "secret.key"))
    except OSError as error:
        raise NoSecretKeyError(
            f"the secret key in CERTLINE_HOME ({settings.home}) cannot be made or read: {error.strerror}"
        ) from error


def vault_if_given(settings: Settings) -> Vault | None:
    """Return the vault of a part that opens and seals nothing, to prove its keys; None if it was given none.

    Raises NoSecretKeyError for a key that is not one.
    """
    configured = settings.secret_key is not None or settings.secret_key_file is not None
    return open_vault(settings) if configured or settings.embedded else None


def new_key() -> str:
    """Return a new random secret key."""
    return Fernet.generate_key().decode()


def _name_of(key: str) -> str:
    """Return the first twelve hex digits of the key's SHA-256: they distinguish keys without revealing them."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def _read(path: Path) -> str:
    try:
        require_private(path)
        return path.read_text("utf-8-sig").strip().replace("\n", ",")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise NoSecretKeyError(f"the secret key file {path} cannot be read: {why}") from error


def _own_key(path: Path) -> str:
    if path.exists():
        return _read(path)
    make_home(path.parent)
    # Written completely, then linked into place: link() fails if the file exists, so two processes that
    # start at once agree on one key. The draft's name is random and not the process id, which is 1 at
    # each start of a container: a draft left by a kill would be in the way.
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)  # 0600
    draft = Path(name)
    with os.fdopen(handle, "wb") as file:
        file.write(new_key().encode())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return _read(path)
