"""Tests of the plan of all renewals: made in bounded pieces, it is that of the pure rules, and can be repeated."""

from datetime import UTC, datetime, time
from typing import Any

import pytest
from sqlalchemy import func, select, update

from certline.models import AutoRenewChoice, Certificate, Database, Order
from certline.models.audit.identity import Identity
from certline.models.database.session import clock
from certline.models.renewals.plan import note_days, selected_of
from certline.models.renewals.selection import AutoRenewRule, auto_renew_settings, mark_stored
from certline.models.renewals.sequence import load_of
from certline.models.renewals.timing import even_load, schedule
from certline.producers.renewals import day_plan, settings
from certline.producers.renewals.day_plan import look_ahead, plan_anew
from certline.producers.renewals.settings import add_rule, choose, drop_everything, enable
from tests.integration.producers.estate import DAY, an_estate, certificates_of

IDA = Identity("os:ida")


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Make pieces of three certificates, and return the sizes of those stored."""
    stored: list[int] = []
    note = note_days

    def counted(db: Any, setting: Any, days: Any) -> None:
        stored.append(len(days))
        note(db, setting, days)

    monkeypatch.setattr(day_plan, "PIECE", 3)
    monkeypatch.setattr(day_plan, "PAGE", 7)
    monkeypatch.setattr(day_plan, "note_days", counted)
    return stored


def an_estate_of_all_ages(database: Database, *, cap: int | None = 2) -> None:
    """Insert certificates of several lifetimes and ages, all selected by a rule."""
    with database.transaction() as db:
        account = an_estate(db)
        enable(db, [account], days=30, cap=cap, who=IDA)
        add_rule(db, AutoRenewRule(created_by="ida"), who=IDA)
        for lifetime, ages in ((6, (1, 3, 5)), (47, (1, 30, 40, 46)), (200, (5, 150, 180, 198))):
            begins = [clock(db, -age * DAY) for age in ages]
            certificates_of(db, account, 8, begins=begins, lifetime=lifetime * DAY)
            # The next ones begin with the same number at SCM.
            for table in (Certificate, Order):
                db.execute(update(table).values(scm_id=table.scm_id + 1_000))


def marked(database: Database) -> int:
    with database.transaction() as db:
        return db.scalar(select(func.count()).where(Certificate.auto_renew)) or 0


@pytest.mark.parametrize("cap", [1, 2, None])
def test_the_plan_in_pieces_is_the_one_of_the_rules(
    database: Database, pieces: list[int], cap: int | None
) -> None:
    an_estate_of_all_ages(database, cap=cap)

    assert plan_anew(database) == 24

    assert max(pieces) <= 3
    with database.transaction() as db:
        [setting] = auto_renew_settings(db)
        spans = [each.span for each in selected_of(db, setting)]
        load = load_of(db, setting)
        today = clock(db).astimezone(UTC).date()
        wanted = schedule(spans, today=today, cap=load.cap(setting), taken={})
        stored = {
            row[0]: row[1] for row in db.execute(select(Certificate.id, Certificate.renews_at))
        }
        ahead = look_ahead(db, 400)
    assert stored == {own_id: datetime.combine(day, time(), UTC) for own_id, day in wanted.items()}
    assert load.even == pytest.approx(even_load(spans))
    assert {each.certificate_id: each.day for each in ahead.near} == wanted


def test_a_plan_that_is_killed_is_completed_by_the_next(
    database: Database, pieces: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    an_estate_of_all_ages(database)
    with monkeypatch.context() as dying:

        def die(db: Any, setting: Any, days: Any) -> None:
            pieces.append(len(days))
            note_days(db, setting, days)
            if len(pieces) == 3:
                raise ZeroDivisionError

        dying.setattr(day_plan, "note_days", die)
        with pytest.raises(ZeroDivisionError):
            plan_anew(database)
    assert marked(database) == sum(pieces[:2])  # the third was rolled back

    plan_anew(database)

    assert marked(database) == 24
    pieces.clear()
    plan_anew(database)
    assert pieces == []  # nothing was left to store


def test_what_was_deselected_while_the_plan_was_made_stays_deselected(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    an_estate_of_all_ages(database)
    with database.transaction() as db:
        own_id = db.scalars(select(Certificate.id)).first()
    note = note_days

    def deselect_first(db: Any, setting: Any, days: Any) -> None:
        with database.transaction() as other:
            choose(other, [other.get_one(Certificate, own_id)], selected=False, who=IDA)
        note(db, setting, days)

    monkeypatch.setattr(day_plan, "note_days", deselect_first)
    plan_anew(database)

    assert marked(database) == 23


def test_all_that_was_selected_is_deselected_in_pieces_and_again_after_a_kill(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(day_plan, "PIECE", 3)
    monkeypatch.setattr(day_plan, "PAGE", 7)
    an_estate_of_all_ages(database)
    with database.transaction() as db:
        rows = list(db.scalars(select(Certificate)))
        choose(db, rows, selected=True, who=IDA)
    monkeypatch.setattr(settings, "PIECE", 10)
    with monkeypatch.context() as dying:
        dropping = settings.drop_choices

        def die(db: Any, account: Any) -> int:
            dropped = dropping(db, account, 10)
            left = db.scalar(select(func.count()).select_from(AutoRenewChoice))
            if left < 10:
                raise ZeroDivisionError
            return dropped

        dying.setattr(settings, "drop_choices", die)
        with pytest.raises(ZeroDivisionError):
            drop_everything(database, None, who=IDA)

    with database.transaction() as db:
        assert db.scalar(select(func.count()).select_from(AutoRenewChoice)) == 14
    assert drop_everything(database, None, who=IDA) == 14
    plan_anew(database)
    assert marked(database) == 0


def test_a_certificate_is_marked_when_it_is_stored(database: Database) -> None:
    with database.transaction() as db:
        account = an_estate(db)
        add_rule(db, AutoRenewRule(name="n0.*", created_by="ida"), who=IDA)
        chosen, other, named = certificates_of(
            db, account, 3, begins=[clock(db)], lifetime=47 * DAY
        )
        choose(db, [db.get_one(Certificate, named)], selected=True, who=IDA)
        db.execute(update(Certificate).values(auto_renew=False))

        mark_stored(db, [chosen, other, named])

        db.expire_all()
        stand = [db.get_one(Certificate, own).auto_renew for own in (chosen, other, named)]
        assert stand == [True, False, True]
