"""Helpers for key rotation: a secret in every place that stores one, and reading them back."""

import json
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import uuid4

from cryptography.fernet import Fernet

from certline.models import (
    CommandType,
    Database,
    DeadLetter,
    DnsProvider,
    NoticeRoute,
    PrivateKey,
    ProviderKind,
    SealingKey,
    Webhook,
)
from certline.models.audit.identity import Identity
from certline.models.ciphers.place import SecretPlace, in_command
from certline.models.commands.command import accept
from certline.models.commands.dead_letter import keep
from certline.models.database.secret_place import place_of
from certline.models.key_rotation import places
from certline.models.vault import Vault
from certline.producers.requests.secret_keys import Rotation
from tests.faults.harness.external_client import order_event
from tests.support.factories import a_certificate, a_wanted, an_account, an_order
from tests.support.sealed_rows import opened, stored_secrets

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
SECRET = b"correct horse"
_numbers = count()


def fill(database: Database, vault: Vault, rows: int = 1, *, bound: bool = True) -> None:
    """Store a secret in each place, `rows` times. Not `bound`: as earlier versions stored it."""

    def sealed(place: SecretPlace) -> bytes:
        return vault.seal(SECRET, place) if bound else vault.seal_token(SECRET)

    for _ in range(rows):
        with database.transaction() as db:
            key = PrivateKey(algorithm="EC", size="P-256", public_key_sha256=str(next(_numbers)))
            url = f"https://receiver{next(_numbers)}.example/"
            hook = Webhook(url=url, events=["*"], created_by="ida")
            route = NoticeRoute(
                name=f"route{next(_numbers)}",
                service="JSON",
                scheme="jsons",
                kinds=["*"],
                created_by="ida",
            )
            provider = DnsProvider(
                name=f"provider{next(_numbers)}",
                kind=ProviderKind.RFC2136,
                zones=["shop.example"],
                settings_json='{"server":"ns1.shop.example"}',
                requested_by="ida",
            )
            pair = SealingKey(
                id=str(next(_numbers)), opens_until=datetime.now(UTC) + timedelta(days=1)
            )
            for row, column in (
                (key, "pem_sealed"),
                (hook, "secret_sealed"),
                (route, "url_sealed"),
                (provider, "credentials_sealed"),
                (pair, "private_sealed"),
            ):
                setattr(row, column, b"")
                db.add(row)
                db.flush()
                setattr(row, column, sealed(place_of(row, column)))
            account = an_account(db)
            account.secret_sealed = sealed(place_of(account, "secret_sealed"))
            order = an_order(db, account, key_id=key.id, status="stored")
            for each in (order, a_certificate(db, order)):
                each.keystore_password_sealed = sealed(place_of(each, "keystore_password_sealed"))
            command_id = str(uuid4())
            password = sealed(in_command(command_id)).decode()
            wanted = {"common_name": "a", "keystore_password_sealed": password, "term": 7}
            accept(
                db,
                CommandType.ORDER,
                wanted,
                requested_by=Identity("os:ida"),
                source="cli",
                command_id=command_id,
            )
        letter = a_letter(
            database, vault, keystore_password_sealed=vault.seal_token(SECRET).decode()
        )
        if not bound:
            with database.transaction() as db:
                kept = db.get_one(DeadLetter, letter)
                kept.body_sealed = vault.seal_token(opened(vault, kept, "body_sealed"))


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
    """Return the stored secrets by column, opened with this vault."""
    found: dict[str, list[bytes]] = {str(each): [] for each in places()}
    with database.transaction() as db:
        for column, sealed, place in stored_secrets(db):
            found[column].append(vault.open(sealed, place))
    return {column: sorted(values) for column, values in found.items()}
