"""The vault: encrypts secrets before they are stored, with keys from the environment (newest first).

A secret is bound to its place (`models.ciphers`). Secrets of earlier versions are Fernet tokens, which are bound
to nothing; they still open, until `keys rotate` has bound all of them (`Vault.bound_only`).
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from certline.models.ciphers.bound_text import (
    MisplacedError,
    cipher_of,
    decrypt,
    encrypt,
    is_bound,
    key_named_in,
)
from certline.models.ciphers.place import SecretPlace
from certline.models.file_rights import make_home, require_private
from certline.models.settings import Settings

UNREADABLE = (
    "a stored secret cannot be read with the secret keys of this process; "
    "is CERTLINE_SECRET_KEY the one it was stored with?"
)
ENTER_AGAIN = (
    "Find out who changed the database, and check the row (of an account: its URL, certline account show NAME); "
    "then enter the secret again (certline account verify NAME --new-password), or restore the row from a backup"
)


class NoSecretKeyError(Exception):
    """No usable secret key in `CERTLINE_SECRET_KEY` or `CERTLINE_SECRET_KEY_FILE`."""


class WrongSecretKeyError(Exception):
    """A stored secret was encrypted with a key that this process does not have."""


class MovedSecretError(WrongSecretKeyError):
    """A stored secret is not where it was stored: it was copied from elsewhere, or its row was changed."""


class WithdrawnVaultError(Exception):
    """The secret keys of this running process are no longer those of the installation: it has to be restarted."""


class Vault:
    """A set of secret keys: encrypts with the newest, decrypts with any of them.

    `recheck`: returns why the keys are not those of the installation, or None. It is called when a secret does
    not open, before that secret is blamed. `withdrawn`: that reason, once it is known; then nothing is encrypted
    or decrypted any more, because other processes could not read the one and this one not the other.
    `bound_only`: names of keys of which every secret is bound to its place, so that one that is not was put there
    by somebody else; None until the database was asked.
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
        self._ciphers = {_name_of(key): cipher_of(key) for key in given}
        self.recheck: Callable[[], str | None] | None = None
        self.withdrawn: str | None = None
        self.bound_only: frozenset[str] | None = None

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
        alone._ciphers = {name: self._ciphers[name]}  # noqa: SLF001
        alone.recheck = alone.withdrawn = None
        alone.bound_only = self.bound_only
        return alone

    def seal(self, secret: bytes, place: SecretPlace) -> bytes:
        """Return the secret encrypted with the newest key for its place. Raises WithdrawnVaultError."""
        self._require_standing()
        newest = self.keys[0]
        return encrypt(self._ciphers[newest], newest, secret, place)

    def open(self, sealed: bytes, place: SecretPlace) -> bytes:
        """Return the decrypted secret of a place.

        Raises WrongSecretKeyError if no key opens it, MovedSecretError if it does not belong there,
        WithdrawnVaultError.
        """
        return self._checked(lambda: self._open(sealed, place))[1]

    def key_of(self, sealed: bytes, place: SecretPlace) -> str:
        """Return the name of the key that opens the secret of a place.

        Raises WrongSecretKeyError, MovedSecretError.
        """
        return self._open(sealed, place)[0]

    def renew(self, sealed: bytes, place: SecretPlace) -> bytes:
        """Return the secret encrypted with the newest key for its place; unchanged if it is already.

        Raises WrongSecretKeyError, MovedSecretError, WithdrawnVaultError.
        """
        key, secret = self._checked(lambda: self._open(sealed, place))
        current = key == self.keys[0] and is_bound(sealed)
        return sealed if current else self.seal(secret, place)

    def move(self, sealed: bytes, place: SecretPlace, to: SecretPlace) -> bytes:
        """Return the secret of one place encrypted for another one.

        Raises WrongSecretKeyError, MovedSecretError, WithdrawnVaultError.
        """
        return self.seal(self.open(sealed, place), to)

    def open_token(self, token: bytes) -> tuple[str, bytes]:
        """Return (name of the key, secret) of a Fernet token that came from outside, in a message.

        Raises WrongSecretKeyError, WithdrawnVaultError.
        """
        return self._checked(lambda: self._open_token(token))

    def renew_token(self, token: bytes) -> bytes:
        """Return a Fernet token of the newest key with the same secret; unchanged if it is one already.

        Raises WrongSecretKeyError, WithdrawnVaultError.
        """
        key, secret = self.open_token(token)
        return token if key == self.keys[0] else self.seal_token(secret)

    def seal_token(self, secret: bytes) -> bytes:
        """Return the secret as a Fernet token of the newest key, as earlier versions sealed: bound to no place."""
        return self._fernets[self.keys[0]].encrypt(secret)

    def key_of_token(self, token: bytes) -> str:
        """Return the name of the key that opens a Fernet token. Raises WrongSecretKeyError."""
        return self._open_token(token)[0]

    def _checked(self, decrypted: Callable[[], tuple[str, bytes]]) -> tuple[str, bytes]:
        self._require_standing()
        try:
            return decrypted()
        except WrongSecretKeyError:
            # Either this secret is unreadable, or other processes have got another key meanwhile.
            if self.recheck is not None:
                self.withdrawn = self.recheck()
            self._require_standing()
            raise

    def _require_standing(self) -> None:
        if self.withdrawn is not None:
            raise WithdrawnVaultError(self.withdrawn)

    def _open(self, sealed: bytes, place: SecretPlace) -> tuple[str, bytes]:
        if is_bound(sealed):
            return self._open_bound(sealed, place)
        key, secret = self._open_token(sealed)
        if self.bound_only is None and self.recheck is not None:
            self.recheck()  # a process that has just started: now it knows
        if key in (self.bound_only or ()):
            raise MovedSecretError(
                f"the secret {place} is not bound to its row, although all secrets of key {key} are: it is an old "
                f"one that was put there by somebody else, and is not used. {ENTER_AGAIN}"
            )
        return key, secret

    def _open_bound(self, sealed: bytes, place: SecretPlace) -> tuple[str, bytes]:
        try:
            key = key_named_in(sealed)
            if key not in self._ciphers:
                raise WrongSecretKeyError(f"{UNREADABLE} (it names key {key})")
            return key, decrypt(self._ciphers[key], sealed, place)
        except MisplacedError:
            raise MovedSecretError(
                f"the secret {place} does not belong there: it was copied from another row, or a value that it is "
                f"bound to was changed (of an account: its URLs and kind of login). {ENTER_AGAIN}"
            ) from None

    def _open_token(self, token: bytes) -> tuple[str, bytes]:
        for name, fernet in self._fernets.items():
            try:
                return name, fernet.decrypt(token)
            except InvalidToken:
                continue
        raise WrongSecretKeyError(UNREADABLE)


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
