"""Tests of `domain.validation_expiring`: published once at each threshold, with what is done about it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from certline.models import AuditEntry, CommandType, Database, Domain, Outbox
from certline.models.accounts.account import AccountStatus
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from certline.models.database.session import clock
from certline.models.domains.expiry import DAYS, threshold_reached, thresholds
from certline.models.domains.validation import begin_validation
from certline.models.states import ValidationMethod
from certline.producers.domains.expiry import emit_validation_expiring
from certline.producers.sweep import sweep
from tests.integration.producers.estate import DAY
from tests.support.factories import a_certificate, a_domain, an_account, an_order
from tests.support.movable_clock import MovedDatabase
from tests.support.statements import rows_returned

SETTLE = timedelta(minutes=15)
ANNA = Identity("os:anna")


def told(db: Session) -> list[dict[str, Any]]:
    """Return the data of the events, in order."""
    query = select(Outbox.body).where(Outbox.routing_key == "domain.validation_expiring")
    return [body["data"] for body in db.scalars(query.order_by(Outbox.id))]


def in_days(db: Session, days: int) -> date:
    """Return a day so many days from today."""
    return clock(db, days * DAY).date()


def ends_in(db: Session, days: int, name: str = "nordhafen.example") -> None:
    """Make the validation of a domain end in that many days."""
    change = update(Domain).where(Domain.name == name)
    db.execute(change.values(validation_expires=in_days(db, days)))


@pytest.mark.parametrize(
    ("life", "days"),
    [
        (398, [1, 3, 7, 14, 30]),
        (100, [1, 3, 7, 14, 30]),
        (60, [1, 2, 5, 10, 20]),
        (30, [0, 1, 2, 5, 10]),
        (10, [0, 1, 3]),
        (1, [0]),
    ],
)
def test_a_shorter_life_is_told_at_parts_of_it(life: int, days: list[int]) -> None:
    assert thresholds(life) == days


@pytest.mark.parametrize(
    ("left", "reached"),
    [(31, None), (30, 30), (15, 30), (14, 14), (2, 3), (1, 1), (0, 1), (-30, 1), (-31, None)],
)
def test_the_lowest_threshold_counts_and_what_ended_long_ago_is_no_news(
    left: int, reached: int | None
) -> None:
    assert threshold_reached(left, 200) == reached


def test_an_end_is_told_once_at_each_threshold_and_anew_after_a_validation(
    database: Database,
) -> None:
    with database.transaction() as db:
        account = an_account(db, name="hafen")
        db.add(a_domain(account_id=account.id, validation_method="CNAME_CSR_HASH"))
    for days in (31, 30, 29, 6, 2, 2, -4, 90, 30):
        with database.transaction() as db:
            ends_in(db, days)
            sweep(db, SETTLE)
            sweep(db, SETTLE)

    with database.transaction() as db:
        found = told(db)
        assert [(each["days"], each["days_left"]) for each in found] == [
            (30, 30),
            (30, 29),
            (7, 6),
            (3, 2),
            (1, -4),
            (30, 30),
        ]
        assert found[0] == {
            "domain": "nordhafen.example",
            "account": "hafen",
            "method": "cname",
            "expires": in_days(db, 30).isoformat(),
            "last_day": in_days(db, 30).isoformat(),
            "days": 30,
            "days_left": 30,
            "certificates": 0,
            "renewal": "nothing",
            "begins": None,
            "validation_id": None,
        }
        entries = db.scalars(select(AuditEntry).filter_by(type="domain.validation_expiring")).all()
        assert [entry.data["days"] for entry in entries] == [30, 30, 7, 3, 1, 30]


def test_as_days_pass_the_same_end_is_told_at_most_once_for_each_threshold(
    moved: MovedDatabase,
) -> None:
    start = moved.at
    with moved.transaction() as db:
        account = an_account(db)
        db.add(a_domain(account_id=account.id, validation_expires=in_days(db, 40)))
    for day in range(75):
        moved.set_clock(start + day * DAY)
        for _ in range(2):
            with moved.transaction() as db:
                emit_validation_expiring(db, 1_000)

    with moved.transaction() as db:
        assert [(each["days"], each["days_left"]) for each in told(db)] == [
            (days, days) for days in DAYS
        ]


def test_the_event_names_what_depends_on_the_domain_and_what_is_done_about_it(
    database: Database,
) -> None:
    with database.transaction() as db:
        account = an_account(db)
        a_certificate(db, an_order(db, account, status="stored"))
        for name in ("nordhafen.example", "planned.example", "idle.example"):
            db.add(a_domain(account_id=account.id, name=name, validation_expires=in_days(db, 5)))
        command, _ = accept(
            db,
            CommandType.VALIDATE,
            {"domain": "planned.example", "account": account.name},
            requested_by=ANNA,
            source="cli",
            subject="planned.example",
            after=2 * DAY,
        )
        going = begin_validation(
            db,
            account.id,
            "nordhafen.example",
            method=ValidationMethod.CNAME,
            dns=None,
            email=None,
            before=in_days(db, 5),
            command_id=command.id,
            requested_by=ANNA,
        )
        emit_validation_expiring(db, 1_000)
        found = {each["domain"]: each for each in told(db)}

        assert {name: each["renewal"] for name, each in found.items()} == {
            "nordhafen.example": "open",
            "planned.example": "planned",
            "idle.example": "nothing",
        }
        assert found["nordhafen.example"]["validation_id"] == going.id
        assert found["planned.example"]["begins"] == in_days(db, 2).isoformat()
        assert [found[name]["certificates"] for name in sorted(found)] == [0, 1, 0]


def test_a_domain_below_another_is_told_with_the_one_that_is_validated(database: Database) -> None:
    with database.transaction() as db:
        account, gone = (
            an_account(db),
            an_account(db, status=AccountStatus.REMOVED, secret_sealed=None),
        )
        for name, left in (
            ("nordhafen.example", 6),
            ("*.nordhafen.example", 4),
            ("shop.nordhafen.example", 2),
        ):
            db.add(a_domain(account_id=account.id, name=name, validation_expires=in_days(db, left)))
        db.add(a_domain(account_id=account.id, name="never.example", validation_expires=None))
        ended = in_days(db, 1)
        db.add(
            a_domain(
                account_id=account.id,
                name="gone.example",
                validation_expires=ended,
                gone_at=clock(db),
            )
        )
        db.add(a_domain(account_id=gone.id, name="removed.example", validation_expires=ended))
        emit_validation_expiring(db, 1_000)

        assert [(each["domain"], each["days_left"]) for each in told(db)] == [
            ("nordhafen.example", 6)
        ]


def test_a_validation_that_a_step_of_the_ballot_ends_is_told_before_that_step(
    moved: MovedDatabase,
) -> None:
    with moved.transaction() as db:
        moved.set_clock(clock(db).replace(year=2027, month=2, day=20))
    with moved.transaction() as db:
        account = an_account(db)
        # Made on 2026-11-01 for 200 days; on 2027-03-15 it is older than 100 days.
        db.add(a_domain(account_id=account.id, validation_expires=date(2027, 5, 20)))
        emit_validation_expiring(db, 1_000)
        [found] = told(db)

        assert (found["expires"], found["last_day"]) == ("2027-05-20", "2027-03-14")
        assert (found["days"], found["days_left"]) == (30, 22)


def test_two_sweeps_at_once_tell_an_end_once(database: Database) -> None:
    with database.transaction() as db:
        account = an_account(db)
        db.add(a_domain(account_id=account.id, validation_expires=in_days(db, 5)))

    def tell() -> int:
        with database.transaction() as db:
            return emit_validation_expiring(db, 1_000)

    with ThreadPoolExecutor() as pool:
        with database.transaction() as first:
            assert emit_validation_expiring(first, 1_000) == 1
            second = pool.submit(tell)  # waits for the first one's rows, or comes after it
        assert second.result() == 0
    with database.transaction() as db:
        assert len(told(db)) == 1


def test_more_ends_than_one_sweep_handles_are_told_by_the_next(database: Database) -> None:
    with database.transaction() as db:
        account = an_account(db)
        for number in range(5):
            name, ends = f"d{number}.example", in_days(db, 5)
            db.add(a_domain(account_id=account.id, name=name, validation_expires=ends))
    counts = []
    for _ in range(4):
        with database.transaction() as db:
            counts.append(emit_validation_expiring(db, 2))

    assert counts == [2, 2, 1, 0]


def domains_read(db: Session) -> int:
    """Return how many rows of domains Postgres has read in this transaction."""
    read = db.scalars(
        text(
            "SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) "
            "FROM pg_stat_xact_user_tables WHERE relname = 'domain'"
        )
    )
    return int(read.one())


def many_domains(db: Session, *near: tuple[str, int]) -> None:
    """Insert 300 domains that end later, and some that end in so many days."""
    account = an_account(db)
    far = [(f"d{number}.example", 90 + number % 200) for number in range(300)]
    for scm_id, (name, left) in enumerate([*far, *near], start=1):
        entry = a_domain(account_id=account.id, scm_id=scm_id, name=name)
        entry.validation_expires = in_days(db, left)
        db.add(entry)


def test_only_domains_whose_validation_ends_soon_are_read(database: Database) -> None:
    with database.transaction() as db:
        near = (("near.example", 20), ("*.near.example", 20), ("shop.near.example", 20))
        many_domains(db, *near)
    with database.transaction() as db:
        assert emit_validation_expiring(db, 1_000) == 1
    with database.transaction() as db:
        db.execute(text("SET LOCAL enable_seqscan = off"))  # so few rows would be read in a row
        before = domains_read(db)
        assert emit_validation_expiring(db, 1_000) == 0
        assert domains_read(db) - before == len(near)


def test_what_a_longer_validation_covers_is_not_told_and_found_out_with_few_rows(
    database: Database,
) -> None:
    with database.transaction() as db:
        longer = ("*.d7.example", 5), ("shop.d8.example", 5), ("MÜNCHEN.example", 90)
        many_domains(db, *longer, ("*.xn--mnchen-3ya.example", 5))
    with database.transaction() as db:
        rows = rows_returned(db, "domain")
        assert emit_validation_expiring(db, 1_000) == 0
        # Three end soon; they and what is above them, and the name that Postgres cannot compare.
        assert sum(rows) == 3 + 6
