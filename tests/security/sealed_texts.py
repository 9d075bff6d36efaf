"""Sealed passwords: the key that seals them, and what the ingress makes of them."""

import pytest

from certline.models.ciphers.place import IN_HAND
from certline.models.ciphers.sealed_text import SealedTextError
from certline.models.sealing.incoming_secret import take_secret
from tests.integration.cli.conftest import Typist

PASSWORD = "Schlüssel-Nordmole-4410"


def pem_of(typist: Typist) -> bytes:
    """Return the public key, as it is handed out."""
    return str(typist.json("keys", "public")["public_key"]).encode()


def taken(typist: Typist, text: str, sender: str | None = None) -> str:
    """Return the password of a sealed text, as the ingress opens it for that sender."""
    with typist.database.transaction() as db:
        stored = take_secret(db, typist.vault, text, IN_HAND, sender=sender)
    return typist.vault.open(stored.encode(), IN_HAND).decode()


def refused(typist: Typist, text: str, sender: str | None = None) -> str:
    """Return why a sealed text of that sender is refused."""
    with pytest.raises(SealedTextError) as why:
        taken(typist, text, sender)
    return str(why.value)
