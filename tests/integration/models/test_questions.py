"""Tests of odd input to queries: handled as any other input, and stored unchanged."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from certline.models import Database
from certline.models.certificates.certificate import (
    SeveralCertificatesError,
    certificate_known_as,
    certificate_meant,
)
from certline.models.orders.order import order_known_as
from certline.models.validation import BadCommandError
from tests.factories import a_certificate, an_account, an_order


def test_an_order_is_known_by_the_number_that_scm_gave_it(database: Database) -> None:
    with database.transaction() as db:
        order = an_order(db, status="pending", scm_id=3)

        assert order_known_as(db, "scm:3") is order


@pytest.mark.parametrize("number", ["²", "٣", "-3", "3.0", "", "three"])
def test_what_is_no_number_of_scm_names_no_order(database: Database, number: str) -> None:
    with database.transaction() as db:
        an_order(db, status="pending", scm_id=3)

        assert order_known_as(db, f"scm:{number}") is None


def test_a_number_that_two_accounts_have_at_scm_names_neither(database: Database) -> None:
    with database.transaction() as db:
        ours, theirs = an_account(db, name="hafen"), an_account(db, name="see")
        an_order(db, ours, status="stored", scm_id=3, kind="import")
        order = an_order(db, theirs, status="stored", scm_id=3)

        with pytest.raises(BadCommandError, match=f"several accounts.*{order.id} \\(see\\)"):
            order_known_as(db, "scm:3")
        assert order_known_as(db, "scm:3", "see") is order
        assert order_known_as(db, "scm:3", "nobody") is None


def test_a_certificate_of_two_accounts_is_known_by_its_account(database: Database) -> None:
    with database.transaction() as db:
        for name in ("hafen", "see"):
            order = an_order(db, an_account(db, name=name), status="stored")
            found = a_certificate(db, order, serial_number="abc")

        for known_as in ("00:AB:C", "shop.nordhafen.example"):
            with pytest.raises(SeveralCertificatesError):
                certificate_known_as(db, known_as)
            assert certificate_meant(db, known_as, "see") is found


def test_an_error_of_postgres_does_not_repeat_what_the_statement_was_given(
    database: Database,
) -> None:
    with pytest.raises(DBAPIError) as error, database.transaction() as db:
        db.execute(text("SELECT 1 / 0 WHERE 'x' <> :secret"), {"secret": "hunter2"})

    assert "hunter2" not in str(error.value) + repr(error.value)
