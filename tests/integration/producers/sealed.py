"""Helpers for key rotation: a secret in every place that stores one, and reading them back."""

import json
from itertools import count

from cryptography.fernet import Fernet
from sqlalchemy import select

from certline.models import CommandType, Database, PrivateKey, Webhook
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from certline.models.commands.dead_letter import keep
from certline.models.key_rotation import places
from certline.models.vault import Vault
from certline.producers.requests.secret_keys import Rotation
from tests.faults.harness.external_client import order_event
from tests.support.factories import a_certificate, a_wanted, an_account, an_order

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
SECRET = b"correct horse"
_numbers = count()


def fill(database: Database, vault: Vault, rows: int = 1) -> None:
    """Store a secret in each place, `rows` times."""
    for _ in range(rows):
        with database.transaction() as db:
            sealed = vault.seal(SECRET)
            key = PrivateKey(
                pem_sealed=sealed,
                algorithm="EC",
                size="P-256",
                public_key_sha256=str(next(_numbers)),
            )
            url = f"https://receiver{next(_numbers)}.example/"
            hook = Webhook(url=url, events=["*"], secret_sealed=sealed, created_by="ida")
            db.add_all([key, hook])
            db.flush()
            order = an_order(
                db,
                an_account(db, secret_sealed=sealed),
                keystore_password_sealed=sealed,
                key_id=key.id,
                status="stored",
            )
            a_certificate(db, order, keystore_password_sealed=sealed)
            wanted = {"common_name": "a", "keystore_password_sealed": sealed.decode(), "term": 7}
            accept(db, CommandType.ORDER, wanted, requested_by=Identity("os:ida"), source="cli")
        a_letter(database, vault, keystore_password_sealed=sealed.decode())


def a_letter(database: Database, vault: Vault, **changes: str) -> str:
    """Store a rejected command with a sealed password in it. Returns the dead letter's id."""
    event = order_event(a_wanted(**changes))
    with database.transaction() as db:
        body = json.dumps(event).encode()
        return keep(
            db,
            vault,
            body,
            source="q",
            reason="why",
            properties={},
            message_id=event["id"],
            command_id=None,
            attempts=1,
        )[0]


def rotate(database: Database, vault: Vault) -> Rotation:
    """Run a whole rotation and return it."""
    rotation = Rotation(database, vault, who=Identity("os:ida"), tell=lambda _renewed: None)
    rotation.run()
    return rotation


def secrets(database: Database, vault: Vault) -> dict[str, list[bytes]]:
    """Return the stored secrets by place, opened with this vault."""
    with database.transaction() as db:
        found = {str(place): db.scalars(select(place.value)).all() for place in places()}
    return {
        name: [vault.open(v if isinstance(v, bytes) else v.encode()) for v in values if v]
        for name, values in found.items()
    }
