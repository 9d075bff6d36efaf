"""Tests of `domain list`, `show` and `forecast`, and of what plan and doctor say about validations."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from certline.cli.domains.forecast import _last_day, _now
from certline.models import Account, CommandType, Domain, Validation
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from certline.models.database.session import clock
from certline.models.domains.forecast import DomainForecast
from certline.models.domains.validation import begin_validation
from certline.models.overview.attendance import Attendance
from certline.models.renewals.selection import AutoRenewRule
from certline.models.states import ValidationMethod, ValidationOutcome, ValidationStage
from certline.producers.renewals.day_plan import plan_anew
from certline.producers.renewals.settings import add_rule, enable
from tests.integration.cli.conftest import Typist
from tests.integration.producers.estate import DAY, certificates_of
from tests.support.factories import a_domain, a_profile, an_account, an_organization

ANNA = Identity("os:anna")
NAME = "nordhafen.example"


def in_days(days: int) -> str:
    """Return a day so many days from today, as documents have it."""
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


@pytest.fixture
def account(typist: Typist) -> Account:
    """Insert an account with two certificates renewed in 4 to 10 days, and a validation that ends before."""
    with typist.database.transaction() as db:
        account = an_account(db, name="hafen", synced_at=clock(db))
        db.add(an_organization(account_id=account.id))
        db.add(a_profile(account_id=account.id, terms=[90]))
        db.add(
            a_domain(
                account_id=account.id,
                validation_expires=clock(db, 2 * DAY).date(),
                validation_method="CNAME_CSR_HASH",
                delegations=[{"org_id": 9102, "cert_types": ["SSL"], "privileges": ["SUBDOMAIN"]}],
            )
        )
        db.flush()
        certificates_of(db, account, 2, begins=[clock(db, -50 * DAY)], lifetime=90 * DAY)
        enable(db, [account], days=30, cap=None, who=ANNA)
        add_rule(db, AutoRenewRule(created_by="ida"), who=ANNA)
    plan_anew(typist.database)
    return account


def set_domain(db: Session, **values: Any) -> None:
    """Change the domain."""
    db.execute(update(Domain).where(Domain.name == NAME).values(**values))


def begun(db: Session, account: Account, dns: str | None = None) -> Validation:
    """Begin a validation of the domain whose record is made by hand. `dns`: the provider that is a person."""
    command, _ = accept(
        db,
        CommandType.VALIDATE,
        {"domain": NAME, "account": account.name},
        requested_by=ANNA,
        source="cli",
        subject=NAME,
    )
    row = begin_validation(
        db,
        account.id,
        NAME,
        method=ValidationMethod.CNAME,
        dns=dns,
        email=None,
        before=None,
        command_id=command.id,
        requested_by=ANNA,
    )
    row.proof_name, row.proof_value = "_6b2f.nordhafen.example", "6b2f.sectigo.example"
    row.published_at = row.withdrawn_at = clock(db)
    row.stage, row.said = ValidationStage.LOOK, "found no such name"
    return row


@pytest.mark.usefixtures("account")
def test_the_list_says_how_long_a_validation_lasts_and_what_depends_on_it(typist: Typist) -> None:
    [found] = typist.json("domain", "list")

    assert (found["days_left"], found["certificates"]) == (2, 2)
    assert "CERTIFICATES" in typist.types("domain", "list")


@pytest.mark.usefixtures("account")
def test_a_domain_is_shown_with_what_depends_on_it_and_what_to_type(typist: Typist) -> None:
    shown = typist.json("domain", "show", "www.Nordhafen.example")
    said = typist.types("domain", "show", NAME)

    assert (shown["domain"], shown["validated_with"]) == ("www.nordhafen.example", NAME)
    assert (shown["days_left"], shown["certificates"], shown["renewal"]) == (2, 2, "nothing")
    assert (shown["renewals_before_its_end"], shown["renewals_after_its_end"]) == (0, 2)
    assert shown["validation"] is None
    assert (shown["auto_validate"], shown["next_try_at"]) == (False, None)
    assert typist.json("domain", "list", "--under-way") == []
    first, today = date.fromisoformat(shown["first_refused"]), datetime.now(UTC).date()
    assert shown["begin_by"] == max(first - 7 * DAY, today).isoformat()
    assert "Nordhafen AG (9102): SUBDOMAIN" in said
    assert f"certline domain validate {NAME}" in said


@pytest.mark.parametrize("dns", [None, "people"])
def test_a_validation_under_way_is_shown_with_the_record_that_somebody_has_to_make(
    typist: Typist, account: Account, dns: str | None
) -> None:
    with typist.database.transaction() as db:
        own_id = begun(db, account, dns).id

    shown = typist.json("domain", "show", NAME)
    said = typist.types("domain", "show", NAME)
    assert (shown["renewal"], shown["validation_id"], shown["stage"]) == ("open", own_id, "look")
    assert shown["validation"]["said"] == "found no such name"
    assert [each["id"] for each in shown["validations"]] == [own_id]
    assert "Make the CNAME record _6b2f.nordhafen.example with 6b2f.sectigo.example" in said
    assert "a person, who makes the CNAME record" in said
    assert "by hand; certline goes on by itself once it is seen" in said
    assert f"cancel it (certline domain cancel-validation {NAME})" in said
    [listed] = typist.json("domain", "list", "--under-way")
    assert (listed["validation_id"], listed["needs_person"]) == (own_id, True)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"state": "SUSPENDED"},
            "It has to be activated at SCM first; then: certline sync domains",
        ),
        (
            {"validation_status": "NOT_VALIDATED", "validation_expires": None},
            f"No validation can be used. To validate it: certline domain validate {NAME}",
        ),
        (
            {"validation_expires": None},
            f"Its validation reaches all renewals. To validate it anew: certline domain validate {NAME}",
        ),
    ],
)
@pytest.mark.usefixtures("account")
def test_what_to_do_depends_on_what_scm_says(
    typist: Typist, values: dict[str, Any], words: str
) -> None:
    with typist.database.transaction() as db:
        set_domain(db, **values)

    assert words in typist.types("domain", "show", NAME)


@pytest.mark.usefixtures("account")
def test_a_name_in_no_domain_is_refused_with_what_to_type(typist: Typist) -> None:
    assert "certline domain list" in typist.types("domain", "show", "elsewhere.example", code=2)


@pytest.mark.usefixtures("account")
def test_the_forecast_names_the_domains_with_the_day_to_begin(typist: Typist) -> None:
    found = typist.json("domain", "forecast", "--days", "60")
    said = typist.types("domain", "forecast", "--days", "60")

    [its] = found["domains"]
    assert (its["domain"], its["account"], its["last_day"]) == (NAME, "hafen", in_days(2))
    assert (its["would_be_refused"], its["renewal"], its["suspended"]) == (2, "nothing", False)
    assert found["validations"] == len(its["beginnings"]) == 1
    assert its["begin_by"] == its["beginnings"][0]
    assert (found["would_be_refused"], found["renewals"]) == (2, 2)
    assert "Without a further validation 2 of 2 renewals" in said
    assert "below 1 domain." in said
    assert "0.0 a day" not in said
    assert f"certline domain validate {NAME}" in said


@pytest.mark.usefixtures("account")
def test_a_what_if_shows_how_many_validations_shorter_rules_need(typist: Typist) -> None:
    counts = [
        typist.json("domain", "forecast", "--what-if", days)["validations"]
        for days in ("200", "100", "10")
    ]

    assert counts == sorted(counts)
    assert counts[0] < counts[-1]
    assert "As if validations held 10 days and certificates 47" in typist.types(
        "domain", "forecast", "--what-if", "10"
    )


@pytest.mark.usefixtures("account")
def test_a_forecast_without_anything_to_do_says_so(typist: Typist) -> None:
    with typist.database.transaction() as db:
        set_domain(db, validation_expires=None)

    assert "are reached by validations" in typist.types("domain", "forecast")


@pytest.mark.usefixtures("account")
def test_the_plan_names_the_domain_to_validate_and_by_when(typist: Typist) -> None:
    found = typist.json("auto-renew", "plan")
    rows = [(day["date"], row) for day in found["plan"] for row in day["certificates"]]

    assert [row["validate"] for _, row in rows] == [NAME, NAME]
    for day, row in rows:
        week_before = date.fromisoformat(day) - 7 * DAY
        assert date.fromisoformat(row["validate_by"]) == max(week_before, datetime.now(UTC).date())
    said = typist.types("auto-renew", "plan")
    assert "Domains to validate, so that no renewal is refused for it:" in said
    assert f"certline domain validate {NAME}" in said


@pytest.mark.parametrize("dns", [None, "people"])
def test_a_validation_that_has_just_begun_says_that_a_person_will_have_to_act(
    typist: Typist, account: Account, dns: str | None
) -> None:
    if dns is not None:
        typist.types("dns", "add", dns, "--provider", "manual", "--zones", NAME)
    with typist.database.transaction() as db:
        row = begun(db, account, dns)
        row.published_at = row.withdrawn_at = row.proof_name = row.proof_value = row.said = None
        row.stage = ValidationStage.START

    said = " ".join(typist.types("domain", "show", NAME).split())

    assert "put in place by a person" in said
    assert "A person then has to make it, since no provider writes below nordhafen.example" in said

    with typist.database.transaction() as db:
        row = db.scalars(select(Validation)).one()
        row.proof_name, row.proof_value = "_6b2f.nordhafen.example", "6b2f.sectigo.example"
        row.stage = ValidationStage.PUBLISH
    said = " ".join(typist.types("domain", "show", NAME).split())
    assert "which say whether the CNAME record has an alias" in said
    assert "make the CNAME record _6b2f.nordhafen.example with 6b2f.sectigo.example, since" in said


def test_a_domain_says_when_and_how_it_was_last_validated(typist: Typist, account: Account) -> None:
    with typist.database.transaction() as db:
        set_domain(db, validation_method=None)
        row = begun(db, account)
        row.outcome, row.stage = ValidationOutcome.VALIDATED, ValidationStage.ENDED
        row.ended_at = clock(db)

    said = typist.types("domain", "show", NAME)

    [line] = [line for line in said.splitlines() if line.startswith("last validated")]
    assert f"{datetime.now(UTC):%Y-%m-%d}" in line
    assert line.endswith("by cname")
    assert not [
        line for line in said.splitlines() if line.startswith(("method ", "validated with"))
    ]


def test_a_forecast_marks_what_ends_first_and_what_is_planned_too_late() -> None:
    today = datetime.now(UTC).date()
    each = DomainForecast(1, NAME, today + 2 * DAY, first=today + 20 * DAY)
    each.begins = [today + 13 * DAY]
    late = Attendance("planned", begins=datetime.now(UTC) + 30 * DAY)

    assert _last_day(each) == f"{today + 2 * DAY} *"
    assert _now(each, late) == f"{late}, too late"
    in_time = Attendance("planned", begins=datetime.now(UTC))
    assert _now(each, in_time) == str(in_time)


def test_doctor_names_a_validation_that_waits_for_a_person(
    typist: Typist, account: Account
) -> None:
    with typist.database.transaction() as db:
        begun(db, account)

    checks = typist.json("doctor", code=1)["checks"]

    found = next(each for each in checks if each["name"] == "validations")
    assert (found["ok"], found["advice"]) == (False, f"certline domain show {NAME}")
    assert found["details"][0].startswith(f"{NAME}: Make the CNAME record")


def test_doctor_names_the_domain_until_a_validation_is_under_way(
    typist: Typist, account: Account
) -> None:
    def about_domains() -> dict[str, Any]:
        checks = typist.json("doctor", code=1)["checks"]
        return next(each for each in checks if each["name"] == "domains")

    found = about_domains()
    assert found["ok"] is False
    assert found["advice"] == f"certline domain validate {NAME}"
    assert NAME in found["details"][0]
    with typist.database.transaction() as db:
        begun(db, account)
    assert about_domains()["ok"] is True
