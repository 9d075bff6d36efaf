"""Tests of the auto-renewal settings: rules, selected certificates, on and off."""

from sqlalchemy import update

from certline.models import Certificate, Database
from certline.models.audit.identity import Identity
from certline.models.certificates.lineage import Kin, join_lines
from certline.models.database.session import clock
from certline.models.renewals.plan import selected_of
from certline.models.renewals.selection import AutoRenewRule, auto_renew_settings
from certline.producers.renewals.day_plan import plan_anew
from certline.producers.renewals.settings import (
    add_rule,
    choose,
    disable,
    drop_everything,
    enable,
)
from tests.integration.producers.estate import DAY, an_estate, certificates_of
from tests.integration.producers.runs import LIFETIME, its_line
from tests.support.factories import a_certificate, an_order


def test_rules_include_what_comes_later_and_a_choice_counts_more(database: Database) -> None:
    with database.transaction() as db:
        account = an_estate(db)
        shop, mail, other = certificates_of(db, account, 3, begins=[clock(db)], lifetime=LIFETIME)
        db.execute(
            update(Certificate).where(Certificate.id == other).values(common_name="see.example")
        )
        enable(db, [account], days=30, cap=None, who=Identity("os:ida"))
        add_rule(
            db, AutoRenewRule(name="*.nordhafen.example", created_by="ida"), who=Identity("os:ida")
        )
        rows = [db.get_one(Certificate, own_id) for own_id in (mail, other)]
        choose(db, rows[:1], selected=False, who=Identity("os:kim"))
        choose(db, rows[1:], selected=True, days=5, who=Identity("os:kim"))
        late = a_certificate(
            db,
            an_order(db, account, status="stored", common_name="late.nordhafen.example"),
            not_before=clock(db),
            not_after=clock(db, LIFETIME),
        ).id

    plan_anew(database)

    with database.transaction() as db:
        found = {each.id: each for each in selected_of(db, auto_renew_settings(db)[0])}

        assert set(found) == {shop, other, late}
        assert (found[other].by, found[other].span.lead) == ("os:kim", 5 * DAY)
        assert (found[late].by, found[late].span.lead) == ("ida", LIFETIME / 3)
        assert [db.get_one(Certificate, own_id).auto_renew for own_id in (shop, mail, other)] == [
            True,
            False,
            True,
        ]

        disable(db, [account], who=Identity("os:ida"))
    plan_anew(database)
    with database.transaction() as db:
        off = db.get_one(Certificate, shop)
        assert (off.auto_renew, off.renews_at) == (True, None)

    assert drop_everything(database, account, who=Identity("os:ida")) == 2
    drop_everything(database, None, who=Identity("os:ida"))
    plan_anew(database)
    with database.transaction() as db:
        assert selected_of(db, auto_renew_settings(db)[0]) == []


def test_what_was_said_of_a_certificate_stays_when_its_line_joins_another(
    database: Database,
) -> None:
    with database.transaction() as db:
        account = an_estate(db)
        ids = certificates_of(db, account, 2, begins=[clock(db)], lifetime=LIFETIME)
        old, new = (its_line(db, own_id).id for own_id in ids)
        [setting] = enable(db, [account], days=30, cap=None, who=Identity("os:ida"))
        choose(db, [db.get_one(Certificate, ids[1])], selected=True, days=7, who=Identity("os:kim"))

        join_lines(db, [Kin("a", 1, True, old), Kin("b", 2, False, new)])
        db.expire_all()

        assert {each.span.days for each in selected_of(db, setting)} == {7}
