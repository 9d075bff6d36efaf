"""Tests that certificates are counted below the domains that their names lie in."""

from random import Random

import pytest
from sqlalchemy import select

from certline.models import Certificate, CertificateStatus, Database
from certline.models.calendar.validations import named_below
from certline.models.certificates.below import certificates_below
from tests.support.factories import a_certificate, an_account, an_order
from tests.support.statements import rows_returned


def test_a_certificate_counts_once_below_each_domain_whatever_the_number_of_its_names(
    database: Database,
) -> None:
    with database.transaction() as db:
        account, other = an_account(db), an_account(db)
        order = an_order(db, account, status="stored", common_name="*.shop.nordhafen.example")
        a_certificate(db, order, sans=["a.nordhafen.example", "Mail.Other.example"])
        a_certificate(db, an_order(db, account, status="stored"), sans=[])
        a_certificate(
            db, an_order(db, account, status="stored"), status=CertificateStatus.SUPERSEDED
        )
        wanted = [
            (account.id, name)
            for name in (
                *("nordhafen.example", "shop.nordhafen.example", "other.example"),
                *("a.nordhafen.example", "hafen.example", "elsewhere.example"),
            )
        ]
        found = certificates_below(db, [*wanted, (other.id, "nordhafen.example")])

    assert {name: count for (own_id, name), count in found.items() if own_id == account.id} == {
        "nordhafen.example": 2,
        "shop.nordhafen.example": 2,
        "other.example": 1,
        "a.nordhafen.example": 1,
    }
    assert len(found) == 4


NAMES = (
    *("nordhafen.example", "*.nordhafen.example", "WWW.Nordhafen.example", "example"),
    *("a.b.c.d.e.f.nordhafen.example", "*.g.a.b.c.d.e.shop.nordhafen.example", "localhost"),
    *("shop.nordhafen.example", "x.shop.nordhafen.example", "notnordhafen.example"),
    *("a.b.c.d.e.f.elsewhere.test", "see.test", "a.see.test", "*.b.see.test"),
)
DOMAINS = (
    *("nordhafen.example", "shop.nordhafen.example", "e.shop.nordhafen.example", "example"),
    *("see.test", "a.see.test", "f.elsewhere.test", "test", "a.b.c.d.e.f.nordhafen.example"),
    *("hafen.example", "b.c.d.e.f.elsewhere.test", "none.test"),
)


def lies_below(name: str, domain: str) -> bool:
    """Return True if a name is a domain's, or below it."""
    return f".{name.lower().removeprefix('*.')}".endswith(f".{domain}")


@pytest.mark.parametrize("count", [1, 3, len(DOMAINS)])
def test_whatever_the_names_each_domain_has_the_certificates_with_one_below_it(
    database: Database, count: int
) -> None:
    chance = Random(47)  # noqa: S311  # the same names in each run
    with database.transaction() as db:
        accounts = [an_account(db), an_account(db)]
        stored = []
        for number in range(60):
            account = accounts[number % 2]
            first, *others = chance.sample(NAMES, chance.randint(1, 6))
            order = an_order(db, account, status="stored", common_name=first)
            a_certificate(db, order, sans=others)
            stored.append((account.id, [first, *others]))
        # Of the second account only some, so that a domain of one account stands for none of the other's.
        wanted = [(accounts[0].id, name) for name in DOMAINS[:count]]
        wanted += [(accounts[1].id, name) for name in DOMAINS[: count // 2 + 1]]
        found = certificates_below(db, wanted)

    assert {key: found[key] for key in wanted} == {
        (own_id, domain): sum(
            own_id == account_id and any(lies_below(name, domain) for name in names)
            for account_id, names in stored
        )
        for own_id, domain in wanted
    }
    assert set(found) <= set(wanted)


def test_a_certificate_of_many_is_not_read_one_by_one(database: Database) -> None:
    with database.transaction() as db:
        account = an_account(db)
        for number in range(40):
            name = f"host{number}.nordhafen.example"
            order = an_order(db, account, status="stored", common_name=name)
            a_certificate(db, order, sans=[name, f"www.{name}"])
        rows = rows_returned(db, "certificate")
        found = certificates_below(db, [(account.id, "nordhafen.example")])

    assert found == {(account.id, "nordhafen.example"): 40}
    assert rows == [1]


def test_a_domain_that_nobody_asks_about_is_not_looked_for(database: Database) -> None:
    with database.transaction() as db:
        assert certificates_below(db, []) == {}


def test_a_certificate_is_found_below_a_domain_by_any_of_its_names(database: Database) -> None:
    with database.transaction() as db:
        order = an_order(db, status="stored", common_name="www.shop.example")
        a_certificate(db, order, sans=["*.nordhafen.example"])

        def below(domain: str) -> int:
            query = select(Certificate.id).where(named_below(domain))
            return len(db.scalars(query).all())

        assert [
            below(name) for name in ("nordhafen.example", "shop.example", "www.shop.example")
        ] == [1, 1, 1]
        assert [
            below(name) for name in ("hafen.example", "a.nordhafen.example", "_____hafen.example")
        ] == [0, 0, 0]
