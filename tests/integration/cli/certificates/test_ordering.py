"""CLI tests of the check of an order: names as people write them, keys, custom fields and passwords."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select

from certline.models import Order
from certline.models.ciphers.place import IN_HAND
from certline.models.sealing.incoming_secret import take_secret
from certline.workers.keys import sign_request
from tests.integration.cli.conftest import Typist
from tests.support.factories import (
    a_custom_field,
    a_domain,
    a_profile,
    an_account,
    an_organization,
)

NAME = "shop.nordhafen.example"


@pytest.fixture
def fields() -> list[str]:
    """Return the mandatory custom fields."""
    return []


@pytest.fixture
def clerk(typist: Typist, fields: list[str]) -> Typist:
    """Return a user with a synced account, whose names at SCM have odd blanks."""
    with typist.database.transaction() as db:
        account = an_account(db, name="hafen").id
        db.add(an_organization(account_id=account, name="Nordhafen University "))
        domain = [{"org_id": 9102, "privileges": ["DOMAIN", "SUBDOMAIN"], "status": "ACTIVE"}]
        db.add(a_domain(account_id=account, validation_expires=None, delegations=domain))
        umlaut = a_domain(account_id=account, name="münchen.example", validation_expires=None)
        db.add(umlaut)
        db.add(a_profile(account_id=account, key_types={"EC": ["P-256"]}))
        for number, name in enumerate(fields):
            db.add(a_custom_field(account_id=account, scm_id=number + 1, name=name))
    return typist


def words(*more: str, name: str = NAME) -> list[str]:
    return [
        *("order", "create", "--common-name", name, "--organization", "Nordhafen University"),
        *("--profile", "OV Single", "--term", "90", *more),
    ]


def placed(typist: Typist) -> Any:
    with typist.database.transaction() as db:
        return db.scalars(select(Order)).one()


def test_a_wildcard_that_is_not_allowed_exits_2_at_the_dry_run(clerk: Typist) -> None:
    said = clerk.types(*words("--dry-run", name="*.nordhafen.example"), code=2)

    assert "wildcards of nordhafen.example are not allowed to Nordhafen University" in said


def test_the_key_of_a_csr_is_checked_by_the_dry_run_as_by_the_order(
    clerk: Typist, tmp_path: Path
) -> None:
    csr = tmp_path / "p521.pem"
    csr.write_text(sign_request(ec.generate_private_key(ec.SECP521R1()), NAME, []))

    dry_run = clerk.types(*words("--csr", str(csr), "--dry-run"), code=2)
    order = clerk.types(*words("--csr", str(csr)), code=2)

    assert "--csr: 'OV Single' does not allow EC P-521" in dry_run
    assert order == dry_run


def test_a_name_with_umlauts_is_ordered_in_its_ascii_form(clerk: Typist) -> None:
    clerk.types(*words("--san", "*.MÜNCHEN.example", name="münchen.example"))

    order = placed(clerk)
    assert (order.common_name, order.sans) == (
        "xn--mnchen-3ya.example",
        ["*.xn--mnchen-3ya.example"],
    )
    assert (order.key_algorithm, order.key_size) == ("EC", "P-256")
    assert [row["common_name"] for row in clerk.json("order", "list", "--name", "*.example")] == [
        "xn--mnchen-3ya.example"
    ]
    assert len(clerk.json("order", "list", "--name", "münchen.example")) == 1
    assert len(clerk.json("domain", "list", "--name", "xn--mnchen-3ya.example")) == 1


@pytest.mark.parametrize("fields", [["Cost Centre ", "A=B"]])
def test_a_custom_field_is_named_whatever_blanks_or_equals_signs_its_name_has(
    clerk: Typist,
) -> None:
    given = ("--custom-field", "cost centre=47=11", "--custom-field", "A=B=2")

    clerk.types(*words(*given, "--dry-run"))
    clerk.types(*words(*given))
    missing = clerk.types(*words("--custom-field", "Cost Centre =4711", "--dry-run"), code=2)
    wrong = clerk.types(*words("--custom-field", "A", "--dry-run"), code=2)

    assert placed(clerk).custom_fields == {"Cost Centre ": "47=11", "A=B": "2"}
    assert "'A=B' is mandatory (--custom-field 'A=B=VALUE')" in missing
    assert "'A' is not NAME=VALUE" in wrong


@pytest.mark.parametrize(
    ("kind", "password", "rule"),
    [
        ("JKS", "abcde", "at least 6 characters"),
        ("PKCS12", "schlüssel-Straße-1", "U+0020 to U+007E"),
        ("PKCS12", "tab\tinside", "U+0020 to U+007E"),
    ],
)
def test_a_password_that_the_keystore_could_not_be_opened_with_exits_2(
    clerk: Typist, tmp_path: Path, kind: str, password: str, rule: str
) -> None:
    file = tmp_path / "pw"
    file.write_text(f"{password}\n", encoding="utf-8")
    options = ("--keystore-type", kind, "--keystore-password-file", str(file))

    for more in ((), ("--dry-run",)):
        said = clerk.types(*words(*options, *more), code=2)
        assert "--keystore-password-file: the password of" in said
        assert rule in said
        assert password not in said
    sealing = clerk.types(
        "seal", "--password-file", str(file), "--keystore-type", kind.lower(), code=2
    )
    assert rule in sealing
    assert password not in sealing


def test_a_password_for_a_jks_is_sealed_when_that_is_said(clerk: Typist, tmp_path: Path) -> None:
    file = tmp_path / "pw"
    file.write_text("schlüssel-Straße-1\n", encoding="utf-8")

    sealed = clerk.json("seal", "--password-file", str(file), "--keystore-type", "JKS")["sealed"]

    with clerk.database.transaction() as db:
        taken = take_secret(db, clerk.vault, sealed, IN_HAND, sender=None)
    assert clerk.vault.open(taken.encode(), IN_HAND).decode() == "schlüssel-Straße-1"


def test_lists_find_an_organisation_however_it_is_spelled(clerk: Typist) -> None:
    clerk.types(*words())

    for spelling in ("Nordhafen University", " nordhafen\N{NO-BREAK SPACE}university"):
        assert len(clerk.json("order", "list", "--organization", spelling)) == 1
    said = clerk.types("order", "list", "--organization", "Nordhafen Univrsity", code=2)
    assert "did you mean Nordhafen University?" in said
