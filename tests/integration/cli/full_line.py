"""A line with one of everything, and the words of each command that fit it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from certline.models import Database, OrderStatus, PrivateKey
from certline.models.audit.identity import Identity
from certline.models.certificates.deploy_hook import add_hook
from certline.models.vault import Vault
from certline.producers.requests.webhooks import add_webhook
from certline.workers.keys import pem, to_pem
from tests.support.factories import (
    a_certificate,
    a_domain,
    a_profile,
    an_account,
    an_order,
    an_organization,
)
from tests.support.sealed_rows import seal_in
from tests.unit.keys.authority import Authority

# A port on which nothing listens.
NOWHERE = "https://127.0.0.1:1"


def full_line(database: Database, vault: Vault) -> dict[str, str]:
    """Insert one of everything. Returns the name of each, by the noun of its commands."""
    leaf = Authority.root("Test CA").issue("www.nordhafen.example")
    with database.transaction() as db:
        account = an_account(db, name="hafen", url=f"{NOWHERE}/api")
        seal_in(db, vault, account, "secret_sealed", b"hunter2")
        db.add(an_organization(account_id=account.id))
        db.add(a_domain(account_id=account.id, validation_expires=datetime.now(UTC).date()))
        db.add(a_profile(account_id=account.id))
        order = an_order(
            db, account, status=OrderStatus.STORED, common_name="www.nordhafen.example"
        )
        key = PrivateKey(public_key_sha256=leaf.sha256, algorithm="EC", size="P-256")
        seal_in(db, vault, key, "pem_sealed", to_pem(leaf.key))
        certificate = a_certificate(
            db,
            order,
            leaf=pem(leaf.cert),
            key_id=key.id,
            not_after=datetime.now(UTC) + timedelta(days=20),
        )
        seal_in(db, vault, certificate, "keystore_password_sealed", b"hunter2hunter2")
        order.certificate_id = certificate.id
        order.line_id = certificate.line_id
        pending = an_order(
            db, account, status=OrderStatus.PENDING, common_name="a.nordhafen.example"
        )
        review = an_order(db, account, status=OrderStatus.REVIEW, common_name="b.nordhafen.example")
        add_hook(db, "deploy", ["certificate.stored"], who=Identity("os:ida"), command="true")
    webhook = add_webhook(
        database, vault, f"{NOWHERE}/hook", ["order.*"], allow_private=True, who=Identity("os:ida")
    ).webhook
    return {
        "account": "hafen",
        "order": pending.id,
        "review": review.id,
        "certificate": certificate.id,
        "hook": "deploy",
        "webhook": webhook.id,
        "schedule": "sweep",
    }


def usual_words(path: str, command: click.Command, names: dict[str, str]) -> list[str]:
    """Return the arguments that a command takes, and the options that it cannot do without."""
    if (
        path == "certline simulator"
    ):  # it would run until Ctrl-C: nobody has this address (RFC 5737)
        return ["--host", "192.0.2.1"]
    return [
        word
        for param in command.params
        if param.required or isinstance(param, click.Argument)
        for word in words_for(path, param, names)
    ]


def words_for(path: str, param: click.Parameter, names: dict[str, str]) -> list[str]:
    """Return the words with which a parameter gets a value that fits."""
    value = _value(path, param, names)
    return [value] if isinstance(param, click.Argument) else [param.opts[-1], value]


def _value(path: str, param: click.Parameter, names: dict[str, str]) -> str:
    noun = path.split()[1]
    known: dict[str, Any] = {
        "url": f"{NOWHERE}/api",
        "common_name": "new.nordhafen.example",
        "organization": "Nordhafen AG",
        "profile": "OV Single",
        "term": "365",
        "reason": "a test",
        "comments": "a test",
        "output": "out.pem",
        "events": "certificate.stored",
        "capacity": "100",
        "order_name": names["review" if path.endswith("resolve") else "order"],
        "order_names": names["order"],
        "certificate_name": names["certificate"],
        "resources": "domains",
        "shell": "bash",
        "name": "new-one" if path.endswith(" add") else names.get(noun, "nothing"),
        "names": names.get("certificate" if noun == "auto-renew" else noun, "nothing"),
    }
    if path == "certline webhook add":
        known |= {"url": "https://127.0.0.1:1/other", "events": "order.*"}
    return str(known.get(param.name or "", "nothing"))
