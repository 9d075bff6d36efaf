"""The vault of a process that has proven its keys."""

from cryptography.fernet import Fernet

from certline.models import Database
from certline.models.audit.identity import Identity
from certline.models.key_proof import prove
from certline.models.vault import Vault

KEY, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def started(database: Database, *keys: str) -> Vault:
    """Return the vault of a process that has proven these keys."""
    vault = Vault(",".join(keys))
    with database.transaction() as db:
        prove(db, vault, who=Identity("os:test"))
    return vault
