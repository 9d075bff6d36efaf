"""CLI tests of deploy hooks: adding them, listing their runs, and repairing what failed."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from certline.models import AuditEntry, Certificate, Command, CommandStatus, CommandType, Hook
from certline.models.audit.identity import Identity
from certline.models.certificates.deploy_hook import run_hook
from certline.models.commands.command import finish
from tests.integration.cli.conftest import Typist
from tests.support.factories import a_certificate, an_account

HOOK_KEYS = "name events command directory common_name account timeout created_by created_at"
RUN_KEYS = (
    "id hook certificate_id common_name status outcome attempts not_before exit_code output error "
    "created_at started_at finished_at"
)
ADD = ("hook", "add", "web", "--on", "certificate.stored,renewed", "--command", "nginx -s reload")


@pytest.fixture
def certificate(typist: Typist) -> Certificate:
    """Insert a stored certificate."""
    with typist.database.transaction() as db:
        return a_certificate(db)


def a_failed_run(typist: Typist, certificate: Certificate) -> str:
    """Insert a run that failed until it was given up. Returns its id."""
    with typist.database.transaction() as db:
        hook = db.scalars(select(Hook)).one()
        found = db.get_one(Certificate, certificate.id)
        command = run_hook(db, hook, found, requested_by=Identity("os:ida"))
        command.attempts = 10
        command.result = {"outcome": "failed", "exit_code": 1, "output": "no such host\n"}
        finish(db, command, CommandStatus.FAILED, error="hook 'web': exit code 1")
        return command.id


def test_a_hook_is_added_listed_shown_and_removed_and_the_log_says_by_whom(
    typist: Typist, tmp_path: Path
) -> None:
    with typist.database.transaction() as db:
        an_account(db, name="hafen")
    options = ("--directory", str(tmp_path), "--common-name", "*.Example", "--account", "hafen")

    added = typist.json(*ADD, *options, "--timeout", "30")

    assert list(added) == HOOK_KEYS.split()
    assert added["events"] == ["certificate.renewed", "certificate.stored"]
    assert (added["common_name"], added["account"], added["timeout"]) == ("*.example", "hafen", 30)
    assert typist.json("hook", "list") == [added]
    assert typist.json("hook", "show", "web") == added
    assert "nginx -s reload" in typist.types("hook", "list")
    assert str(tmp_path) in typist.types("hook", "show", "web")
    assert "private keys" in typist.types("hook", "remove", "web")
    assert "There are no hooks" in typist.types("hook", "list")
    with typist.database.transaction() as db:
        logged = db.scalars(
            select(AuditEntry).where(AuditEntry.subject == "web").order_by(AuditEntry.id)
        ).all()
    assert [event.type for event in logged] == ["hook.added", "hook.removed"]
    assert logged[0].data["command"] == "nginx -s reload"


def test_what_is_wrong_with_a_hook_is_said_and_nothing_is_added(typist: Typist) -> None:
    typist.types("hook", "add", "web", "--on", "stored", code=2)
    told = typist.types("hook", "add", "web", "--on", "expired", "--directory", "tls", code=2)
    assert "'expired' is not an event of hooks; there are stored, renewed, reissued" in told
    assert "'tls' should be an absolute path" in told
    typist.types(*ADD, "--timeout", "601", code=2)
    typist.types(*ADD)
    assert "there is a hook 'web' already" in typist.types(*ADD, code=2)
    assert "known hooks: web" in typist.types("hook", "show", "wbe", code=1)


def test_a_removed_hook_that_wrote_nothing_leaves_no_warning(
    typist: Typist, certificate: Certificate, tmp_path: Path
) -> None:
    add = ("hook", "add", "web", "--on", "stored", "--directory", str(tmp_path / "tls"))
    typist.types(*add)
    assert "private keys" not in typist.types("hook", "remove", "web")

    typist.types(*add)
    command = typist.json("hook", "run", "web", certificate.id)
    with typist.database.transaction() as db:
        finish(db, db.get_one(Command, command["id"]), CommandStatus.DONE)
    assert "on the workers' machines" in typist.types("hook", "remove", "web")


def test_a_hook_is_run_for_a_certificate_that_is_here(
    typist: Typist, certificate: Certificate
) -> None:
    typist.types(*ADD)

    command = typist.json("hook", "run", "web", certificate.id)

    assert (command["type"], command["status"]) == ("hook", "queued")
    (run,) = typist.json("hook", "runs")
    assert list(run) == RUN_KEYS.split()
    assert (run["id"], run["hook"], run["certificate_id"]) == (command["id"], "web", certificate.id)
    assert typist.json("hook", "runs", "--failed") == []
    assert typist.json("hook", "runs", "--hook", "other") == []
    assert certificate.common_name in typist.types("hook", "runs", "--status", "queued")


def test_a_failed_run_is_listed_seen_by_the_doctor_and_tried_again(
    typist: Typist, certificate: Certificate
) -> None:
    typist.types(*ADD)
    assert checks(typist)["hooks"]["ok"]
    typist.types("hook", "retry", "--all", code=4)
    run = a_failed_run(typist, certificate)

    (listed,) = typist.json("hook", "runs", "--failed")
    assert (listed["exit_code"], listed["output"]) == (1, "no such host\n")
    seen = checks(typist)["hooks"]
    assert (seen["ok"], seen["advice"]) == (False, "certline hook runs --failed")
    assert "1 given up" in seen["text"]

    (again,) = typist.json("hook", "retry", "--all")

    assert (again["id"], again["status"]) == (run, "queued")
    typist.json("hook", "retry", run)
    with typist.database.transaction() as db:
        finish(db, db.get_one(Command, run), CommandStatus.DONE)
    assert checks(typist)["hooks"]["ok"]
    assert "hook run NAME CERT" in typist.types("hook", "retry", run, code=1)


def test_only_runs_of_hooks_are_tried_again_as_such(typist: Typist) -> None:
    typist.types("hook", "retry", code=2)
    with typist.database.transaction() as db:
        an_account(db, name="hafen")
    (sync,) = [typist.json("sync")]

    assert "not the run of a hook" in typist.types("hook", "retry", sync["id"], code=1)


def test_the_doctor_says_where_nobody_runs_hooks(typist: Typist, certificate: Certificate) -> None:
    typist.types(*ADD)
    typist.types("hook", "run", "web", certificate.id)
    with typist.database.transaction() as db:
        run = db.scalars(select(Command).where(Command.type == CommandType.HOOK)).one()
        run.not_before = certificate.not_before  # long ago

    assert "run worker --queues hook" in checks(typist)["hooks"]["advice"]


def checks(typist: Typist) -> dict[str, dict[str, Any]]:
    """Return the doctor's checks by name; it exits 1, as these tests' accounts cannot log in."""
    return {check["name"]: check for check in typist.json("doctor", code=1)["checks"]}
