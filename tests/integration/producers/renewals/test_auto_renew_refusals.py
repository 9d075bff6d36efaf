"""Tests of the reasons why a run of auto-renewal does not renew a certificate."""

from typing import Any

import pytest
from sqlalchemy import delete, func, select

from certline.models import (
    Account,
    AccountStatus,
    Certificate,
    Database,
    Domain,
    Order,
    OrderKind,
    Organization,
    Outbox,
    Profile,
)
from certline.models.audit.log import history
from certline.models.certificates.backoff import renewal_failed
from certline.models.commands.payloads import RenewCommand
from certline.models.database.session import clock
from certline.models.renewals.plan import successions
from certline.models.states import Decision
from certline.models.validation import BadCommandError
from certline.producers.renewals import decisions
from certline.workers.ordering.succession import plan
from tests.integration.producers.estate import DAY
from tests.integration.producers.runs import (
    LIFETIME,
    an_account_with,
    asked,
    its_line,
    its_order,
    run,
    set_on,
)
from tests.support.factories import a_certificate, an_order


def test_each_refusal_has_its_reason_its_row_and_its_event(database: Database) -> None:
    with database.transaction() as db:
        by_scm, renewed, open_, newer, waits, rests, no_org, no_profile = an_account_with(db, 8)
        its_order(db, by_scm).scm_auto_renew = True
        its_order(db, renewed).scm_renewed = True
        line = its_line(db, open_)
        account = db.get_one(Account, line.account_id)
        an_order(
            db,
            account,
            kind=OrderKind.REISSUE,
            status="review",
            line_id=line.id,
            predecessor_id=open_,
        )
        stored = an_order(db, account, status="stored", line_id=its_line(db, newer).id)
        a_certificate(
            db, stored, line_id=stored.line_id, not_before=clock(db), not_after=clock(db, LIFETIME)
        )
        renewal_failed(db, its_line(db, waits).id, permanent=True, reason="SCM: -36")
        renewal_failed(db, its_line(db, rests).id, permanent=False, reason="SCM was away")
        its_order(db, no_org).organization_id = 9199
        its_order(db, no_profile).profile_id = 99

    decided = run(database)

    said = {own_id: (each.decision, each.reason or "") for own_id, each in decided.items()}
    for own_id, decision, words in (
        (by_scm, Decision.REFUSED, "SCM's own auto-renew is on"),
        (renewed, Decision.REFUSED, "SCM says that it was renewed"),
        (open_, Decision.SKIPPED, "a reissue is on its way"),
        (newer, Decision.REFUSED, "newer certificate in force"),
        (waits, Decision.REFUSED, "an operator has to decide: failed 1 times, last: SCM: -36"),
        (rests, Decision.HELD, "SCM was away; next try"),
        (no_org, Decision.REFUSED, "organization: 'Nordhafen AG' is gone at SCM"),
        (no_profile, Decision.REFUSED, "profile: 'OV Single' is gone at SCM"),
    ):
        assert said[own_id][0] is decision, said[own_id]
        assert words in said[own_id][1]
        with database.transaction() as db:
            assert history(db, own_id)[-1].type == f"auto_renew.{decision}"
    assert asked(database) == []
    with database.transaction() as db:
        [event] = db.scalars(select(Outbox).where(Outbox.routing_key == "auto_renew.completed"))
        data = event.body["data"]
        assert (data["refused"], data["skipped"], data["held"], data["renewed"]) == (6, 1, 1, 0)
        assert {each["certificate_id"] for each in data["refusals"]} == {
            own_id for own_id, each in said.items() if each[0] is Decision.REFUSED
        }


@pytest.mark.parametrize(
    ("table", "values", "words"),
    [
        (Account, {"status": AccountStatus.SUSPENDED}, "is suspended"),
        (Domain, {"validation_expires": func.now() - DAY}, "the validation of nordhafen.example"),
        (Domain, {"validation_status": "NOT_VALIDATED"}, "is not validated at SCM"),
        (Profile, {"gone_at": func.now()}, "is gone at SCM"),
        (Organization, {"gone_at": func.now()}, "is gone at SCM"),
    ],
)
def test_what_the_whole_account_lacks_is_a_reason_too(
    database: Database, table: type[Any], values: dict[str, Any], words: str
) -> None:
    with database.transaction() as db:
        [own_id] = an_account_with(db, 1)
        set_on(db, table, **values)

    decided = run(database)

    assert decided[own_id].decision is Decision.REFUSED
    assert words in str(decided[own_id].reason)
    assert asked(database) == []


def test_the_cap_holds_back_what_is_not_urgent_and_says_until_when(database: Database) -> None:
    with database.transaction() as db:
        an_account_with(db, 5, age=40, cap=2)

    first, second = run(database), run(database)

    assert sorted(each.decision for each in first.values()) == [
        *[Decision.HELD] * 3,
        *[Decision.RENEWED] * 2,
    ]
    held = [each for each in first.values() if each.decision is Decision.HELD]
    assert all("the cap of 2 a day is reached" in str(each.reason) for each in held)
    # A second run on the same day shares the day's cap.
    assert {each.decision for each in second.values()} == {Decision.HELD, Decision.SKIPPED}
    assert len(asked(database)) == 2


def test_a_certificate_that_is_deleted_during_the_run_is_passed_over(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.transaction() as db:
        gone, stays = an_account_with(db, 2)

    def delete_one_first(*given: Any) -> Any:
        with database.transaction() as db:
            set_on(db, Order, certificate_id=None)
            db.execute(delete(Certificate).where(Certificate.id == gone))
        return successions(*given)

    monkeypatch.setattr(decisions, "successions", delete_one_first)
    decided = run(database)

    assert (decided[gone].decision, decided[gone].reason) == (
        Decision.SKIPPED,
        "it was deleted a moment ago",
    )
    assert asked(database) == [stays]


def test_a_certificate_whose_names_may_be_lost_is_refused(database: Database) -> None:
    with database.transaction() as db:
        (named,) = an_account_with(db, 1)
        db.get_one(Certificate, named).other_names = ["IP:192.0.2.7"]

    decided = run(database)

    assert decided[named].decision is Decision.REFUSED
    assert "also has IP:192.0.2.7" in (decided[named].reason or "")
    assert asked(database) == []


def test_what_a_renewal_by_hand_is_refused_for_a_run_refuses_with_the_same_words(
    database: Database,
) -> None:
    with database.transaction() as db:
        (own_id,) = an_account_with(db, 1)
        only_itself = {"org_id": 9102, "cert_types": ["SSL"], "privileges": ["DOMAIN"]}
        set_on(db, Domain, delegations=[only_itself])
        with pytest.raises(BadCommandError) as by_hand:
            plan(db, RenewCommand(certificate=own_id))

    decided = run(database)[own_id]

    assert decided.decision is Decision.REFUSED
    assert "names below nordhafen.example are not allowed to Nordhafen AG" in (decided.reason or "")
    assert decided.reason == str(by_hand.value)
