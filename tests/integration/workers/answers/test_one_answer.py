"""Tests that each kind of command gets exactly one answer, whichever way it came and however it ended."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from certline.models import Command, CommandStatus, CommandType, OrderStatus
from certline.models.audit.identity import Identity
from certline.models.commands.answers import ANSWERS
from certline.models.commands.kinds import PUBLIC
from certline.models.commands.payloads import (
    CancelCommand,
    DeleteCommand,
    ImportCommand,
    PollCommand,
    ReissueCommand,
    RenewCommand,
    RevokeCommand,
    SyncCommand,
    ValidateCommand,
)
from certline.producers.domains.validations import request_validations
from certline.producers.requests import certificates
from certline.producers.requests.catalogue import request_sync
from certline.producers.requests.imports import request_import
from certline.producers.requests.orders import request_polls
from certline.producers.schedule import run_now
from tests.integration.workers.answers.told import answers, told
from tests.integration.workers.conftest import Bench
from tests.integration.workers.succession import HOUR, asked_from_outside, go_on, stored

WANTED = {
    "common_name": "shop.nordhafen.example",
    "organization": "Nordhafen University",
    "profile": "OV Multi-Domain SSL",
    "term": 90,
    "key_algorithm": "EC",
    "key_size": "P-256",
}
# For each kind: what it is about, as the test has prepared it, and how it is answered.
CASES: dict[str, tuple[CommandType, str, str]] = {
    "sync": (CommandType.SYNC, "nothing", "sync.completed"),
    "order": (CommandType.ORDER, "nothing", "certificate.stored"),
    "poll": (CommandType.POLL, "pending", "poll.completed"),
    "poll of all": (CommandType.POLL, "all", "poll.completed"),
    "renew": (CommandType.RENEW, "stored", "certificate.renewed"),
    "reissue": (CommandType.REISSUE, "stored", "certificate.reissued"),
    "revoke": (CommandType.REVOKE, "stored", "certificate.revoked"),
    "cancel": (CommandType.CANCEL, "pending", "order.cancelled"),
    "delete a certificate": (CommandType.DELETE, "stored", "certificate.deleted"),
    "delete an order": (CommandType.DELETE, "pending", "order.deleted"),
    "import": (CommandType.IMPORT, "nothing", "import.completed"),
    "validate": (CommandType.VALIDATE, "nothing", "domain.validated"),
    "dry run": (CommandType.IMPORT, "dry", "import.completed"),
}

# `order poll --all` polls each order by a command of its own.
WAYS = [
    (case, way)
    for case in CASES
    for way in ("typed", "sent")
    if (case, way) != ("poll of all", "typed")
]


def prepared(bench: Bench, what: str) -> str:
    """Return the id of what a command is about."""
    if what == "stored":
        return stored(bench).id
    if what == "pending":
        bench.settings(issue_after_ms=HOUR)
        command = bench.place()
        bench.run_due()
        assert bench.order(command).status is OrderStatus.PENDING
        return bench.order(command).id
    return ""


def data_of(kind: CommandType, what: str, subject: str) -> dict[str, Any]:
    """Return a command's data."""
    which = "certificate" if what == "stored" else "order"
    more: dict[CommandType, dict[str, Any]] = {
        CommandType.ORDER: WANTED,
        CommandType.REISSUE: {"reason": "a new server"},
        CommandType.REVOKE: {"comments": "not needed"},
        CommandType.CANCEL: {"comments": "not needed"},
        CommandType.DELETE: {"yes": True},
        CommandType.VALIDATE: {"domain": "nordhafen.example", "within": 1},
    }
    data = more.get(kind, {}) | ({which: subject} if subject else {})
    return data | {"dry_run": True} if what == "dry" else data


def typed(bench: Bench, kind: CommandType, data: dict[str, Any]) -> Command:
    """Request a command as the command line does."""
    database, vault = bench.database, bench.line.vault
    who: dict[str, Any] = {"requested_by": Identity("os:ida")}
    ways: dict[CommandType, Callable[[], Command]] = {
        CommandType.SYNC: lambda: request_sync(database, SyncCommand(**data), **who)[0],
        CommandType.ORDER: lambda: bench.place(**data),
        CommandType.POLL: lambda: request_polls(database, [data["order"]], **who)[0],
        CommandType.RENEW: lambda: (
            certificates.request_successor(database, vault, RenewCommand(**data), **who).command
        ),
        CommandType.REISSUE: lambda: (
            certificates.request_successor(database, vault, ReissueCommand(**data), **who).command
        ),
        CommandType.REVOKE: lambda: (
            certificates.request_revocation(database, RevokeCommand(**data), **who).command
        ),
        CommandType.CANCEL: lambda: (
            certificates.request_cancelling(database, CancelCommand(**data), **who).command
        ),
        CommandType.DELETE: lambda: (
            certificates.request_deletion(database, DeleteCommand(**data), **who).command
        ),
        CommandType.VALIDATE: lambda: request_validations(
            database, [ValidateCommand(**data)], **who
        )[0],
        CommandType.IMPORT: lambda: request_import(database, ImportCommand(**data), **who).command,
    }
    return ways[kind]()


def rows(bench: Bench, kind: CommandType) -> int:
    """Count the commands of a kind, without the polls that certline itself emits for each order."""
    with bench.database.transaction() as db:
        own = Command.source != "certline"
        return db.scalar(select(func.count()).where(Command.type == kind, own)) or 0


def test_every_command_that_other_systems_may_send_has_its_answer() -> None:
    assert {kind.value for kind in ANSWERS} == set(PUBLIC)
    assert {kind for kind, _, _ in CASES.values()} == set(ANSWERS)


@pytest.mark.parametrize(("case", "way"), WAYS)
def test_a_command_that_is_done_is_one_row_with_one_answer(
    bench: Bench, case: str, way: str
) -> None:
    kind, what, answer = CASES[case]
    subject = prepared(bench, what)
    data, before = data_of(kind, what, subject), rows(bench, kind)

    command = (
        typed(bench, kind, data) if way == "typed" else asked_from_outside(bench, kind.value, data)
    )
    assert bench.command(command.id).attempts == 0, "a worker carries it out"
    assert bench.command(command.id).status in (CommandStatus.QUEUED, CommandStatus.RUNNING)
    if kind not in (CommandType.RENEW, CommandType.REISSUE, CommandType.ORDER):
        bench.run(command.id)
    go_on(bench)

    assert bench.command(command.id).status is CommandStatus.DONE, bench.command(command.id).error
    assert answers(bench, command.id, kind) == [answer]
    assert rows(bench, kind) == before + 1
    # Sent again, or delivered again, nothing more is told.
    bench.run(command.id)
    assert answers(bench, command.id, kind) == [answer]


UNKNOWN: dict[CommandType, dict[str, Any]] = {
    CommandType.SYNC: {"account": "nobody"},
    CommandType.ORDER: WANTED | {"profile": "no such profile"},
    CommandType.POLL: {"order": "scm:17"},
    CommandType.RENEW: {"certificate": "gone.example"},
    CommandType.REISSUE: {"certificate": "gone.example", "reason": "none"},
    CommandType.REVOKE: {"certificate": "gone.example", "comments": "none"},
    CommandType.CANCEL: {"order": "scm:17", "comments": "none"},
    CommandType.DELETE: {"order": "scm:17"},
    CommandType.IMPORT: {"account": "nobody"},
}


@pytest.mark.parametrize("kind", UNKNOWN)
def test_a_command_that_fails_is_answered_once(bench: Bench, kind: CommandType) -> None:
    command = asked_from_outside(bench, kind.value, UNKNOWN[kind])

    assert bench.run(command.id).status is CommandStatus.FAILED
    go_on(bench)

    assert answers(bench, command.id, kind) == ["command.failed"]
    (event,) = told(bench, command.id)
    assert event["data"]["command_id"] == command.id


def test_a_schedule_gives_each_account_a_sync_with_its_own_answer(bench: Bench) -> None:
    run_now(bench.database, "sync", bench.line.settings.settle, requested_by=Identity("os:ida"))
    with bench.database.transaction() as db:
        newest = select(Command.id).order_by(Command.created_at.desc()).limit(1)
        command_id = db.scalars(newest).one()

    bench.run(command_id)

    assert answers(bench, command_id, CommandType.SYNC) == ["sync.completed"]


def test_a_poll_says_what_scm_has_answered(bench: Bench) -> None:
    order_id = prepared(bench, "pending")
    command = asked_from_outside(bench, "poll", PollCommand(order=order_id).model_dump())

    bench.run(command.id)

    (event,) = told(bench, command.id)
    assert event["data"]["order_id"] == event["subject"] == order_id
    assert event["data"]["status"] == "pending"
    assert event["data"]["scm_status"]
