"""Helpers for lists: their ids, their human-readable pages, and four orders to be found."""

from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from certline.models.database.session import clock
from tests.factories import a_profile, an_account, an_order, an_organization
from tests.integration.cli.conftest import Typist

NAMES = ("shop.nordhafen.example", "mail.see.example", "www.nordhafen.example", "vpn.see.example")


def ids(typist: Typist, *words: str) -> list[Any]:
    """Return the ids of a list."""
    return [row["id"] for row in typist.json(*words)]


def people(typist: Typist, *words: str, code: int = 0) -> Typist:
    """Run a command for its human-readable output."""
    typist.types(*words, code=code)
    return typist


def orders(db: Session) -> dict[str, str]:
    """Insert four orders of two accounts, organisations and profiles, as in NAMES. Returns ids by name."""
    accounts = [an_account(db, name=name) for name in ("hafen", "see")]
    found = {}
    for number, name in enumerate(NAMES):
        order = an_order(
            db,
            accounts[number % 2],
            status=("stored", "held", "pending", "stored")[number],
            common_name=name,
            organization_id=9101 + number % 2,
            organization_name=("Nordhafen AG", "See AG")[number % 2],
            profile_id=51 + (number == 3),
        )
        order.updated_at = clock(db) + timedelta(minutes=(number * 7) % 4)
        found[name] = order.id
    for number, account in enumerate(accounts):
        names = {"scm_id": 9101 + number, "name": ("Nordhafen AG", "See AG")[number]}
        db.add(an_organization(account_id=account.id, **names))
        db.add(a_profile(account_id=account.id))
    return found
