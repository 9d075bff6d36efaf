"""Tests of the search for orders and certificates, and of its use of indexes however many there are."""

from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session

from certline.models import Certificate, Database, Narrowing, Order
from certline.models.listing import SORTINGS, certificates_listed, orders_listed, paged
from certline.models.search import certificates_found, order_shown, orders_found
from tests.integration.models.estate import filled
from tests.integration.models.test_listing import passed_over, plan
from tests.servers import PostgresServer
from tests.support.factories import a_certificate, an_order

ROWS = 40_000
SERIAL = "0a1b2c3d4e5f60718293"


def _names(db: Session, text: str) -> list[str]:
    """Return the common names of the certificates that a text finds."""
    found = certificates_listed(Narrowing()).where(certificates_found(db, text))
    return sorted(row.common_name for row in db.scalars(found))


@pytest.mark.parametrize(
    "text",
    [
        "www.klinik.example",
        "WWW.klinik",
        "*.klinik.example",
        "anmeldung.klinik.example",  # a further name
        SERIAL.lstrip("0"),
        "0A:1B:2C:3D:4E:5F:60:71:82:93",
        "4711",
        " 4711 ",
    ],
)
def test_a_certificate_is_found_by_each_of_its_names_its_serial_number_and_its_sslid(
    database: Database, text: str
) -> None:
    with database.transaction() as db:
        order = an_order(db, scm_id=4711, status="stored", common_name="www.klinik.example")
        a_certificate(
            db,
            order,
            sans=["www.klinik.example", "anmeldung.klinik.example"],
            serial_number=SERIAL.lstrip("0"),
        )
        a_certificate(db, an_order(db, order.account, status="stored", common_name="shop.example"))

        assert _names(db, text) == ["www.klinik.example"]
        orders = orders_listed(Narrowing()).where(orders_found(db, text))
        assert [row.common_name for row in db.scalars(orders)] == ["www.klinik.example"]


def test_a_text_that_nothing_has_finds_nothing(database: Database) -> None:
    with database.transaction() as db:
        a_certificate(db)

        assert _names(db, "%") == _names(db, "hafen") == _names(db, "99999999999999") == []


def test_a_certificate_is_found_by_its_id_and_by_a_wildcard_name(database: Database) -> None:
    with database.transaction() as db:
        order = an_order(db, status="stored", common_name="*.klinik.example")
        found = a_certificate(db, order)

        assert _names(db, found.id.lower()) == ["*.klinik.example"]
        assert _names(db, "*.klinik.example") == ["*.klinik.example"]


def test_an_open_order_is_found_by_a_further_name_that_it_asks_for(database: Database) -> None:
    with database.transaction() as db:
        order = an_order(db, common_name="www.klinik.example", sans=["neu.klinik.example"])

        found = orders_listed(Narrowing()).where(orders_found(db, "neu.klinik.example"))
        assert [row.id for row in db.scalars(found)] == [order.id]


def test_an_order_is_shown_without_the_secrets_of_its_account(database: Database) -> None:
    with database.transaction() as db:
        order_id = an_order(db).id

    with database.transaction() as db:
        shown = order_shown(db, order_id)
        assert shown is not None
        assert "secret_sealed" not in shown.account.__dict__
        assert "keystore_password_sealed" not in shown.__dict__


@pytest.fixture(scope="module")
def estate(postgres: PostgresServer, template_database: str) -> Iterator[Database]:
    """Yield an estate large enough that Postgres chooses its plans by cost."""
    with filled(postgres, template_database, ROWS) as database:
        yield database


@pytest.mark.parametrize(
    "text", ["host4711", "host4711.vpn211.example", "4711", "deadbeef01", "0" * 21 + "4711"]
)
@pytest.mark.parametrize("sorting", ["name", None])
def test_a_search_reads_few_rows_of_many(estate: Database, text: str, sorting: str | None) -> None:
    with estate.transaction() as db:
        for question, found in (
            (certificates_listed(Narrowing()), certificates_found),
            (orders_listed(Narrowing()), orders_found),
        ):
            table: type[Order] | type[Certificate] = question.column_descriptions[0]["entity"]
            known = SORTINGS[table.__tablename__]
            asked = question.where(found(db, text))
            told = plan(
                db, paged(asked, known[sorting or next(iter(known))], after=None, limit=100)
            )

            assert "Seq Scan on certificate" not in told, told
            assert 'Seq Scan on "order"' not in told, told
            assert passed_over(told) < ROWS / 10, told
