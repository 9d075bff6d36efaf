"""Tests of what the board shows of validations: under way, waiting for a person, and ended."""

import threading
from datetime import timedelta
from typing import Any

import pytest

from certline.models import Account, CommandType, Database, Domain, Validation
from certline.models.audit.identity import Identity
from certline.models.calendar.validations import forecast_validations
from certline.models.commands.command import accept
from certline.models.database.session import clock
from certline.models.domains.outcome import complete, fail_validation
from certline.models.domains.validation import begin_validation
from certline.models.states import ValidationMethod, ValidationStage
from certline.producers.domains import dependence
from certline.producers.domains.settings import enable_validation, select_domains
from tests.integration.cli.conftest import Typist, typist  # noqa: F401  # a fixture
from tests.support.board_window import COUNTING, BoardWindow
from tests.support.factories import (
    a_certificate,
    a_domain,
    an_account,
    an_order,
    an_organization,
)

IDA = Identity("os:ida")
NAME = "nordhafen.example"
DAY = timedelta(days=1)
# SCM's entries: the domain, its wildcard, one below it, and one that nobody validates.
ENTRIES = (NAME, f"*.{NAME}", f"shop.{NAME}", "see.example")


@pytest.fixture
def account(database: Database) -> Account:
    """Store an account with its domains, and a certificate below one of them."""
    with database.transaction() as db:
        account = an_account(db, name="hafen", synced_at=clock(db))
        db.add(an_organization(account_id=account.id))
        ends = clock(db).date() + 60 * DAY
        for scm_id, name in enumerate(ENTRIES, start=1):
            entry = a_domain(account_id=account.id, scm_id=scm_id, name=name)
            entry.validation_expires = ends
            db.add(entry)
        db.flush()
        order = an_order(db, account, status="stored", common_name=f"www.shop.{NAME}")
        a_certificate(db, order, sans=[f"www.shop.{NAME}", f"api.{NAME}"])
        return account


def begun(
    database: Database, account: Account, *, method: ValidationMethod = ValidationMethod.CNAME
) -> str:
    """Begin a validation of the domain. Returns its id."""
    with database.transaction() as db:
        command, _ = accept(
            db,
            CommandType.VALIDATE,
            {"domain": NAME, "account": account.name},
            requested_by=IDA,
            source="cli",
            subject=NAME,
            after=timedelta(minutes=5),
        )
        return begin_validation(
            db,
            account.id,
            NAME,
            method=method,
            dns=None,
            email="it@nordhafen.example" if method is ValidationMethod.EMAIL else None,
            before=None,
            command_id=command.id,
            requested_by=IDA,
        ).id


def left_to_a_person(database: Database, own_id: str) -> None:
    """Have a validation wait for a record that a person makes."""
    with database.transaction() as db:
        row = db.get_one(Validation, own_id)
        row.proof_name, row.proof_value = f"_6b2f.{NAME}", "6b2f.sectigo.example"
        row.started_at = row.published_at = row.withdrawn_at = clock(db)
        row.stage, row.tries, row.said = ValidationStage.LOOK, 3, "no such name at ns1"


def page_of(account: Account, scm_id: int = 1) -> str:
    """Return the path of a domain's page."""
    return f"/domains/{account.id}/{scm_id}"


def test_a_validation_that_waits_for_a_person_says_what_to_do(
    database: Database, board: BoardWindow, account: Account
) -> None:
    left_to_a_person(database, begun(database, account))

    text = board.text(page_of(account))

    assert f"Make the CNAME record _6b2f.{NAME} with 6b2f.sectigo.example" in text
    for said in (
        "Validation under way",
        "Waits for a person, who makes the CNAME record",
        "Put in place by a person",
        f"Expected at _6b2f.{NAME}",
        "Expected 6b2f.sectigo.example",
        "Found no such name at ns1",
        "Attempts of this stage 3",
        "Next attempt 20",
        "Being done under way (look)",
        "certline command wait ",
        f"certline domain show {NAME}",
    ):
        assert said in text


@pytest.mark.parametrize("method", [ValidationMethod.CNAME, ValidationMethod.EMAIL])
def test_what_waits_for_a_person_is_on_today_and_in_the_list(
    database: Database, board: BoardWindow, account: Account, method: ValidationMethod
) -> None:
    own_id = begun(database, account, method=method)
    assert board.rows("/domains?under_way=person") == []
    if method is ValidationMethod.CNAME:
        left_to_a_person(database, own_id)
    else:
        with database.transaction() as db:
            db.get_one(Validation, own_id).stage = ValidationStage.POLL

    page = board.get("/").text
    listed = board.text("/domains?under_way=person")

    assert "1 validation waits for a person" in page
    assert f"certline domain show {NAME}" in page
    assert 'href="/domains?under_way=person"' in page
    assert listed.count("waits for a person") >= 3
    assert "see.example" not in listed


def test_a_validation_covers_the_wildcard_and_the_domains_below(
    database: Database, board: BoardWindow, account: Account
) -> None:
    own_id = begun(database, account)

    rows = {row["name"]: row for row in board.rows("/domains")}

    assert [rows[name]["validation_id"] for name in ENTRIES] == [own_id, own_id, own_id, None]
    assert [rows[name]["stage"] for name in ENTRIES] == ["start", "start", "start", None]
    assert {row["name"] for row in board.rows("/domains?under_way=yes")} == set(ENTRIES[:3])
    assert "Validated with nordhafen.example" in board.text(page_of(account, 3))


def test_a_validation_of_another_account_is_not_shown(
    database: Database, board: BoardWindow, account: Account
) -> None:
    with database.transaction() as db:
        other = an_account(db, name="see")
        db.add(a_domain(account_id=other.id, scm_id=1, name=NAME))
    for _ in range(2):
        own_id = begun(database, other)
        with database.transaction() as db:
            fail_validation(db, db.get_one(Validation, own_id), "refused")

    text = board.text(page_of(account))

    assert "certline has not validated it yet." in text
    assert f"certline domain show {NAME} --account hafen" in text
    assert board.rows("/domains?account=hafen&under_way=yes") == []


def test_the_newest_validation_and_those_before_it_are_told_apart(
    database: Database, board: BoardWindow, account: Account
) -> None:
    for why in ("no such name", None):
        own_id = begun(database, account)
        with database.transaction() as db:
            row = db.get_one(Validation, own_id)
            if why is None:
                complete(db, row, clock(db).date() + 190 * DAY)
            else:
                fail_validation(db, row, why)

    text = board.text(page_of(account))

    newest, _, earlier = text.partition("Earlier validations")
    assert "Newest validation Outcome ✓ validated" in newest
    assert "! failed" in earlier
    assert "no such name" in earlier
    assert "under way" not in text
    assert f"certline domain validate {NAME} --dry-run" in text


def test_it_says_whether_the_domain_is_validated_by_itself(
    database: Database, board: BoardWindow, account: Account
) -> None:
    path = page_of(account)
    assert "Validated automatically no: it is off for the account" in board.text(path)
    with database.transaction() as db:
        enable_validation(db, db.get_one(Account, account.id), days=21, cap=None, who=IDA)
    assert "Validated automatically yes, 21 days before its end" in board.text(path)
    with database.transaction() as db:
        select_domains(db, [NAME], account=None, selected=False, days=None, who=IDA)
    text = board.text(path)

    assert "Validated automatically no: it is left to a person" in text
    assert f"certline domain auto-validate select {NAME}" in text


def test_json_is_that_of_the_command_line(
    typist: Typist,  # noqa: F811
    board: BoardWindow,
    account: Account,
) -> None:
    left_to_a_person(typist.database, begun(typist.database, account))

    shown, of_one = typist.json("domain", "show", f"shop.{NAME}"), board.rows(page_of(account, 3))
    listed, of_all = typist.json("domain", "list"), board.rows("/domains")

    assert of_one == shown
    assert (shown["certificates"], shown["validation"]["needs_person"]) == (1, True)
    assert sorted(of_all, key=lambda row: row["id"]) == sorted(listed, key=lambda row: row["id"])
    assert {row["name"]: row["certificates"] for row in of_all} == {
        **dict.fromkeys(ENTRIES[:3], 1),
        "see.example": 0,
    }
    assert board.get("/domains?format=csv").text.splitlines()[0] == ",".join(listed[0])


def test_a_domain_that_is_gone_at_scm_is_still_shown(
    database: Database, board: BoardWindow, account: Account
) -> None:
    begun(database, account)
    with database.transaction() as db:
        entry = db.get_one(Domain, (account.id, 3))
        entry.gone_at = clock(db)

    text, found = board.text(page_of(account, 3)), board.rows(page_of(account, 3))

    assert "SCM does not list it any more" in text
    assert "certline domain validate" not in text
    assert found["validated_with"] == f"shop.{NAME}"
    assert found["gone_at"] is not None
    assert {row["name"] for row in board.rows("/domains?under_way=yes")} == set(ENTRIES[:2])


def test_a_page_does_not_wait_for_what_takes_long_to_count(
    board: BoardWindow, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, goes_on = forecast_validations, threading.Event()

    def counted(*given: Any, **named: Any) -> Any:
        goes_on.wait(60)
        return real(*given, **named)

    monkeypatch.setattr(dependence, "forecast_validations", counted)
    try:
        first = board.at_once(page_of(account))
    finally:
        goes_on.set()

    assert first.status_code == 200
    assert COUNTING in first.text
    assert "Active certificates with names below it 1" in board.text(page_of(account))


def test_a_name_is_quoted_in_what_to_type(
    database: Database, board: BoardWindow, account: Account
) -> None:
    with database.transaction() as db:
        db.add(a_domain(account_id=account.id, scm_id=9, name="it's.example"))

    page = board.get(page_of(account, 9)).text

    assert "certline domain show &#39;it&#39;&#34;&#39;&#34;&#39;s.example&#39;" in page
