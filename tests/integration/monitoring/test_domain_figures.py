"""Tests of the figures of domains: whose validation ends before a renewal needs it."""

from datetime import UTC, date, datetime, timedelta

import pytest

from certline.models import Database
from certline.models.database.session import clock
from certline.models.figures.domains import validation_days_left, validations_too_short
from tests.integration.producers.estate import DAY
from tests.support.factories import a_certificate, a_domain
from tests.support.movable_clock import MovedDatabase, moved_database


@pytest.mark.parametrize(
    ("domains", "count"),
    [
        ({"nordhafen.example": 2}, 1),
        ({"nordhafen.example": 30}, 0),
        ({"nordhafen.example": None}, 0),
        ({"nordhafen.example": 2, "*.nordhafen.example": 30}, 0),
        ({"nordhafen.example": 2, "shop.nordhafen.example": 30}, 0),
        ({"nordhafen.example": 30, "shop.nordhafen.example": 2}, 0),
        ({"NordHafen.example": -400}, 1),
        ({"other.example": 2}, 0),
    ],
)
def test_a_domain_is_counted_whose_validation_ends_before_a_renewal_of_the_next_days(
    database: Database, domains: dict[str, int | None], count: int
) -> None:
    with database.transaction() as db:
        certificate = a_certificate(db, auto_renew=True, renews_at=clock(db, 5 * DAY))
        for name, days in domains.items():
            ends = None if days is None else clock(db, days * DAY).date()
            db.add(a_domain(account_id=certificate.account_id, name=name, validation_expires=ends))
    with database.transaction() as db:
        assert certificate.common_name == "shop.nordhafen.example"
        assert validations_too_short(db) == count


def test_a_certificate_whose_renewal_was_refused_needs_the_validation_now(
    database: Database,
) -> None:
    with database.transaction() as db:
        certificate = a_certificate(db, auto_renew=True, renews_at=None)
        ended = clock(db, -2 * DAY).date()
        db.add(a_domain(account_id=certificate.account_id, validation_expires=ended))
        db.flush()
        assert validations_too_short(db) == 1


def test_a_renewal_in_a_month_needs_no_validation_yet(database: Database) -> None:
    with database.transaction() as db:
        certificate = a_certificate(db, auto_renew=True, renews_at=clock(db, 30 * DAY))
        ends = clock(db, 2 * DAY).date()
        db.add(a_domain(account_id=certificate.account_id, validation_expires=ends))
        db.flush()
        assert validations_too_short(db) == 0


def a_validation_that_a_step_ends(database: MovedDatabase) -> None:
    """Store a domain that SCM shows as validated until May 2027, which the step of March ends."""
    made = date(2026, 11, 20)
    with database.transaction() as db:
        certificate = a_certificate(db, auto_renew=True, renews_at=clock(db, 5 * DAY))
        ends = made + timedelta(days=200)
        account_id = certificate.account_id
        db.add(a_domain(account_id=account_id, validation_expires=ends, validated_on=made))


def test_the_figures_go_by_the_last_day_that_the_ballot_allows(database_url: str) -> None:
    with moved_database(database_url) as database:
        database.set_clock(datetime(2027, 3, 11, 12, tzinfo=UTC))
        a_validation_that_a_step_ends(database)
        with database.transaction() as db:
            left = {
                labels["le"]: count for labels, count in validation_days_left(db) if "le" in labels
            }
            # Its last day is the 14th, and the renewal is on the 16th.
            assert validations_too_short(db) == 1

    assert (left["1"], left["3"]) == (0, 1)
