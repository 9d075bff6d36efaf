"""Tests of `certline domain validate` and `domain auto-validate` at the command line."""

from datetime import timedelta

import pytest

from certline.models import Account
from certline.models.audit.identity import Identity
from certline.models.database.session import clock
from certline.models.domains.validation import begin_validation
from certline.models.states import ValidationMethod, ValidationStage
from tests.integration.cli.conftest import Typist
from tests.support.factories import a_domain, an_account

DOMAIN = "nordhafen.example"


@pytest.fixture
def account(typist: Typist) -> Account:
    """Store an account with a validated domain, a suspended one and one that was never validated."""
    with typist.database.transaction() as db:
        account = an_account(db, name="hafen")
        soon = clock(db).date() + timedelta(days=5)
        db.add(a_domain(account_id=account.id, scm_id=1, name=DOMAIN, validation_expires=soon))
        db.add(a_domain(account_id=account.id, scm_id=2, name="asleep.example", state="SUSPENDED"))
        db.add(
            a_domain(
                account_id=account.id,
                scm_id=3,
                name="new.example",
                validation_status="NOT_VALIDATED",
                validation_expires=None,
            )
        )
        return account


@pytest.mark.usefixtures("account")
def test_a_dry_run_says_what_would_be_done_and_does_nothing(typist: Typist) -> None:
    said = typist.types("domain", "validate", f"www.{DOMAIN}", "new.example", "--dry-run")

    assert f"{DOMAIN} (hafen, now until " in said
    assert "new.example (hafen, not validated now)" in said
    assert "by cname, whose record or file you make by hand" in said
    assert typist.json("command", "list") == []


@pytest.mark.usefixtures("account")
def test_a_domain_is_validated_by_one_command_however_often_it_is_named(typist: Typist) -> None:
    command = typist.json("domain", "validate", DOMAIN, f"www.{DOMAIN}")

    assert [each["subject"] for each in command] == [DOMAIN]
    assert [each["type"] for each in typist.json("command", "list")] == ["validate"]


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("other.example",), "other.example is in no domain of SCM's"),
        (("asleep.example",), "asleep.example is suspended at SCM"),
        ((DOMAIN, "--dns", "none"), "'none' is no provider; there are: local"),
        ((DOMAIN, "--dns", "local"), f"{DOMAIN} lies in none of the zones of 'local' (shop.test)"),
        ((DOMAIN, "--dns", "local", "--dry-run"), "Leave the provider out"),
        ((DOMAIN, "--email", "a@b.example"), "only with the method email"),
        ((DOMAIN, "--method", "email"), "--method email needs --email"),
        ((DOMAIN, "--method", "email", "--dry-run"), "--method email needs --email"),
        ((DOMAIN, "--account", "other"), "'other' is not known"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_sent(
    typist: Typist, words: tuple[str, ...], problem: str
) -> None:
    typist.types("dns", "add", "local", "--provider", "manual", "--zones", "shop.test")

    said = typist.types("domain", "validate", *words, code=2)

    assert problem in " ".join(said.split())
    assert typist.json("command", "list") == []


@pytest.mark.usefixtures("account")
def test_a_validation_that_lasts_is_said_at_once_to_need_nothing(typist: Typist) -> None:
    words = ("domain", "validate", DOMAIN, "--within", "3")

    [planned] = typist.json(*words, "--dry-run")
    assert planned["lasts"] is True
    assert "nothing would be done; it is validated until" in typist.types(*words, "--dry-run")
    said = typist.types(*words)
    assert f"{DOMAIN} is validated until {planned['expires']}, for more than 3 days" in said
    assert "in the background" not in said
    assert "would be validated by" in typist.types(*words[:3], "--within", "5", "--dry-run")


def test_another_method_is_refused_while_a_validation_is_under_way(
    typist: Typist, account: Account
) -> None:
    command = typist.json("domain", "validate", DOMAIN)
    with typist.database.transaction() as db:
        row = begin_validation(
            db,
            account.id,
            DOMAIN,
            method=ValidationMethod.CNAME,
            dns=None,
            email=None,
            before=None,
            command_id=command["id"],
            requested_by=Identity("os:anna"),
        )
        row.stage, row.withdrawn_at = ValidationStage.LOOK, clock(db)
        ends = f"{row.stage_since + timedelta(days=14):%Y-%m-%d}"

    said = " ".join(typist.types("domain", "validate", DOMAIN, "--method", "txt", code=2).split())

    assert f"is being validated already, by cname (command {command['id']})" in said
    assert f"wait until it fails by itself on {ends}, or cancel it" in said
    assert typist.json("domain", "validate", DOMAIN)["id"] == command["id"]


@pytest.mark.usefixtures("account")
def test_a_validation_is_cancelled_and_what_remains_is_said(typist: Typist) -> None:
    command = typist.json("domain", "validate", DOMAIN)

    said = typist.types("domain", "cancel-validation", f"www.{DOMAIN}", "--reason", "wrong method")

    told = " ".join(said.split())
    assert (
        f"{DOMAIN} (hafen): cancelled. certline has put nothing in place. At SCM: nothing" in told
    )
    assert f"certline domain auto-validate select {DOMAIN} --off" in " ".join(typist.err.split())
    shown = typist.json("command", "show", command["id"])
    assert shown["status"] == "failed"
    assert ": wrong method, before it had begun" in shown["error"]
    entries = typist.json("audit", "list", "--subject", DOMAIN)
    assert "domain.validation_cancelled" in {each["what"] for each in entries}
    said = typist.types("domain", "cancel-validation", DOMAIN, code=4)
    assert f"{DOMAIN} is not being validated: nothing was cancelled" in " ".join(said.split())


@pytest.mark.usefixtures("account")
def test_a_cancellation_names_the_account_in_what_to_type_where_two_have_the_domain(
    typist: Typist,
) -> None:
    with typist.database.transaction() as db:
        other = an_account(db, name="werft")
        db.add(a_domain(account_id=other.id, scm_id=1, name=DOMAIN))
    typist.types("domain", "validate", DOMAIN, "--account", "werft")

    typist.types("domain", "cancel-validation", DOMAIN, "--account", "werft")

    hint = " ".join(typist.err.split())
    assert f"certline domain auto-validate select {DOMAIN} --account werft --off" in hint


@pytest.mark.usefixtures("account")
def test_a_plan_says_whose_proof_a_person_has_to_make(typist: Typist) -> None:
    zones = ("--provider", "folder", "--zones", "new.example")
    typist.types("dns", "add", "web", *zones, "--folder", "/srv/www")
    zones = ("--provider", "command", "--zones", DOMAIN)
    typist.types("dns", "add", "own", *zones, "--command", "true")
    typist.types("domain", "auto-validate", "enable", "--days", "30")

    plan = typist.json("domain", "auto-validate", "plan")
    said = " ".join(typist.types("domain", "auto-validate", "plan").split())

    assert {each["domain"]: each["dns"] for each in plan} == {
        DOMAIN: "own",
        "asleep.example": None,
        "new.example": None,
    }
    assert "PROOF MADE BY" in said
    assert "No provider writes below 2 domains, such as " in said


@pytest.mark.usefixtures("account")
def test_automatic_validation_is_switched_on_planned_audited_and_switched_off(
    typist: Typist,
) -> None:
    assert "It is off." in typist.types("domain", "auto-validate", "plan", code=4)
    typist.types("domain", "auto-validate", "enable", "--days", "30")
    typist.types("domain", "auto-validate", "select", "new.example", "--off")

    plan = typist.json("domain", "auto-validate", "plan")
    assert {(each["domain"], each["decision"]) for each in plan} == {
        (DOMAIN, None),
        ("asleep.example", "refused"),
    }
    typist.types("domain", "auto-validate", "audit", code=4)
    typist.types("schedule", "run", "auto-validate")
    decided = typist.json("domain", "auto-validate", "audit")
    assert {(each["domain"], each["decision"]) for each in decided} == {
        (DOMAIN, "renewed"),
        ("asleep.example", "refused"),
    }
    said = typist.types("domain", "auto-validate", "audit")
    assert "requested" in said
    assert "suspended at SCM" in said

    typist.types("domain", "auto-validate", "disable")
    typist.types("domain", "auto-validate", "disable", code=4)


def test_a_plan_without_anything_due_says_that_it_is_on_and_what_is_next(typist: Typist) -> None:
    with typist.database.transaction() as db:
        account = an_account(db, name="hafen")
        ends = clock(db).date() + timedelta(days=150)
        db.add(a_domain(account_id=account.id, scm_id=1, name=DOMAIN, validation_expires=ends))
    typist.types("domain", "auto-validate", "enable", "--days", "10")
    [planned] = typist.json("domain", "auto-validate", "plan", "--days", "300")

    said = typist.types("domain", "auto-validate", "plan", code=4)

    assert f"It is on; nothing is due in 30 days; next: {planned['day']} {DOMAIN}" in said
