"""CLI tests of what cannot be undone or costs money: without a terminal, nothing happens without `--yes`."""

from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from certline.models import Account, Certificate, Command, Order
from tests.integration.cli.conftest import Typist
from tests.support.factories import (
    a_certificate,
    a_domain,
    a_profile,
    an_account,
    an_order,
    an_organization,
)

# Each command by the words that follow the name of a certificate, an order or an account.
WORDS: dict[str, Callable[[Certificate, Order], tuple[str, ...]]] = {
    "revoke": lambda found, _: ("certificate", "revoke", found.id, "--comments", "key leaked"),
    "delete": lambda found, _: ("certificate", "delete", found.id),
    "delete order": lambda _, order: ("order", "delete", order.id),
    "remove": lambda *_: ("account", "remove", "hafen"),
    "renew by name": lambda *_: ("certificate", "renew", "--name", "*.example"),
    "renew by issuer": lambda *_: ("certificate", "renew", "--issuer", "ca", "--pace", "500/h"),
}


@pytest.fixture
def stored(typist: Typist) -> tuple[Certificate, Order]:
    """Insert a certificate, and an order that was rejected."""
    with typist.database.transaction() as db:
        account = an_account(db, name="hafen")
        db.add(an_organization(account_id=account.id))
        db.add(a_domain(account_id=account.id, validation_expires=None))
        db.add(a_profile(account_id=account.id))
        ordered = an_order(db, account, status="stored")
        certificate = a_certificate(
            db, ordered, keystore_password_sealed=typist.vault.seal_token(b"a password")
        )
        ordered.certificate_id = certificate.id
        return certificate, an_order(db, account, status="rejected", common_name="other.example")


def test_nothing_happens_without_a_confirmation(
    typist: Typist, stored: tuple[Certificate, Order]
) -> None:
    for what, words in WORDS.items():
        refused = typist.json(*words(*stored), code=2)["error"]

        assert "confirmed by --yes" in refused["message"], what
        assert refused["problems"], "it says what would have happened"
    with typist.database.transaction() as db:
        assert db.scalar(select(func.count()).select_from(Command)) == 0
        assert db.scalar(select(func.count()).select_from(Order)) == 2
        assert db.scalars(select(Account)).one().status.value == "active"


def test_a_question_about_many_renewals_says_how_many_and_which(
    typist: Typist, stored: tuple[Certificate, Order]
) -> None:
    assert stored
    told = typist.types("certificate", "renew", "--name", "*", "--pace", "10/h", code=2)

    assert f"1 renewal: {stored[0].common_name}; at 10/h that takes 6 min" in told
    assert "nothing was placed" in told


def test_a_dry_run_asks_nothing(typist: Typist, stored: tuple[Certificate, Order]) -> None:
    assert stored
    typist.json("certificate", "renew", "--name", "*", "--dry-run")


def test_what_is_still_open_needs_more_than_a_yes(typist: Typist) -> None:
    with typist.database.transaction() as db:
        order = an_order(db, status="pending")

    refused = typist.types("order", "delete", order.id, "--yes", code=1)

    assert "--force" in refused
