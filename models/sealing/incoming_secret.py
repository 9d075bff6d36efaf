"""Secrets in messages of other systems: opened as they were sealed, and encrypted for their row."""

from sqlalchemy.orm import Session

from certline.models.ciphers.place import SecretPlace
from certline.models.ciphers.sealed_text import (
    SealedTextError,
    is_sealed,
    key_id_in,
    open_sealed,
)
from certline.models.sealing.key_pair import private_key
from certline.models.vault import Vault, WrongSecretKeyError


def take_secret(
    db: Session, vault: Vault, text: str, place: SecretPlace, *, sender: str | None
) -> str:
    """Return a sealed text of a message as it is stored: encrypted with the newest secret key, for its place.

    The text is sealed with a public key of ours or, as before there were any, with one of our secret keys; either
    way it does not bring an old key back. `sender`: the RabbitMQ user, if RabbitMQ vouches for it.
    Raises SealedTextError for any other text, which is not repeated.
    """
    if is_sealed(text):
        secret = _opened(db, vault, text, sender)
    else:
        try:
            _, secret = vault.open_token(text.encode())
        except WrongSecretKeyError:
            raise SealedTextError(
                "is not sealed with the secret key of this installation, nor with its public key: "
                "certline keys public (docs/sealing.md)"
            ) from None
    return vault.seal(secret, place).decode()


def _opened(db: Session, vault: Vault, text: str, sender: str | None) -> bytes:
    key_id = key_id_in(text)
    private = private_key(db, vault, key_id)
    if private is None:
        raise SealedTextError(
            f"is sealed with the public key {key_id}, which is not of this installation, or opens no longer: "
            "seal it again with the one that certline keys public prints"
        )
    return open_sealed(private, text, sender)
