"""Tests that certificates are counted below the domains that their names lie in."""

from sqlalchemy import select

from certline.models import Certificate, CertificateStatus, Database
from certline.models.calendar.validations import named_below
from certline.models.certificates.below import certificates_below
from tests.support.factories import a_certificate, an_account, an_order


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
