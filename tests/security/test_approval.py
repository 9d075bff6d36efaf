"""A second person where it cannot be undone: what one person tries in order to do it alone."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select, update

from certline.models import (
    Approval,
    AuditEntry,
    Command,
    CommandStatus,
    CommandType,
    Database,
    Outbox,
)
from certline.models.audit.identity import Identity
from certline.models.commands.approval import Guard
from certline.models.commands.command import accept, claim
from certline.producers.requests.approvals import (
    NothingToDecideError,
    SamePersonError,
    approve,
    change_rule,
    decline,
)
from certline.producers.sweep import wake

ANNA, KIM, SHOP = Identity("os:anna"), Identity("os:kim"), Identity("amqp:shop")
NOW = timedelta(0)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


def require(database: Database, *guards: Guard, above: int | None = None) -> None:
    assert change_rule(database, guards, above, who=KIM) is None


def asked(database: Database, kind: CommandType, who: Identity = ANNA, **data: Any) -> Command:
    data = data or {"certificate": "pay.nordhafen.example", "comments": "why"}
    with database.transaction() as db:
        return accept(db, kind, data, requested_by=who, source="test")[0]


def again(database: Database, command: Command) -> Command:
    return database.run(lambda db: db.get_one(Command, command.id))


def wake_ups(database: Database) -> int:
    query = select(func.count()).select_from(Outbox).where(Outbox.exchange == "")
    return database.run(lambda db: db.scalar(query)) or 0


def entries(database: Database) -> list[tuple[str, str]]:
    query = select(AuditEntry.type, AuditEntry.who).where(AuditEntry.type.like("approval.%"))
    return database.run(lambda db: [(row[0], row[1]) for row in db.execute(query)])


def test_without_a_rule_nothing_is_held(database: Database) -> None:
    for kind in (CommandType.DELETE, CommandType.REVOKE):
        assert asked(database, kind).status is CommandStatus.QUEUED


@pytest.mark.parametrize("who", [ANNA, SHOP, Identity("unknown", "os:kim")])
def test_a_deletion_waits_wakes_nobody_and_costs_no_attempt(
    database: Database, who: Identity
) -> None:
    require(database, Guard.DELETE)

    held = asked(database, CommandType.DELETE, who)

    assert (held.status, wake_ups(database)) == (CommandStatus.HELD, 0)
    # A message that names it, made up or replayed, and the sweep.
    with database.transaction() as db:
        assert claim(db, held.id) is None
        assert wake(db, lost=NOW, dead=NOW) == 0
    assert again(database, held).attempts == 0


def test_another_person_approves_it_and_it_is_due_at_once(database: Database) -> None:
    require(database, Guard.DELETE)
    held = asked(database, CommandType.DELETE)

    approve(database, held.id, who=KIM)

    now = again(database, held)
    assert (now.status, now.error, wake_ups(database)) == (CommandStatus.QUEUED, None, 1)
    with database.transaction() as db:
        assert claim(db, held.id) is not None
    assert entries(database) == [
        ("approval.rule_changed", "os:kim"),
        ("approval.requested", "os:anna"),
        ("approval.approved", "os:kim"),
    ]


def test_a_revocation_for_later_is_not_hastened_by_its_approval(database: Database) -> None:
    require(database, Guard.REVOKE_MANY, above=0)
    with database.transaction() as db:
        held, _ = accept(
            db,
            CommandType.REVOKE,
            {"certificate": "x"},
            requested_by=ANNA,
            source="certline",
            after=timedelta(days=7),
        )

    approve(database, held.id, who=KIM)

    with database.transaction() as db:
        assert claim(db, held.id) is None
        due = db.scalar(select(Outbox.not_before).where(Outbox.exchange == ""))
    assert due == held.not_before


@pytest.mark.parametrize("claimed", [None, "kim", "os:kim"])
@pytest.mark.parametrize("decision", ["approve", "decline"])
def test_nobody_decides_about_what_he_has_asked_for_under_any_claim(
    database: Database, decision: str, claimed: str | None
) -> None:
    require(database, Guard.DELETE)
    held = asked(database, CommandType.DELETE)
    who = Identity("os:anna", claimed)

    decide = approve if decision == "approve" else partial(decline, reason="mine")
    with pytest.raises(SamePersonError, match="only somebody else"):
        decide(database, held.id, who=who)

    assert again(database, held).status is CommandStatus.HELD
    assert entries(database)[-1] == ("approval.refused", "os:anna")


@pytest.mark.parametrize("who", ["certline:sweep", "unknown", "anna", ""])
def test_what_is_no_known_person_or_system_approves_nothing(database: Database, who: str) -> None:
    require(database, Guard.DELETE)
    held = asked(database, CommandType.DELETE)

    with pytest.raises(SamePersonError):
        approve(database, held.id, who=Identity(who, "kim"))

    assert again(database, held).status is CommandStatus.HELD


def test_a_declined_command_fails_with_the_reason_and_cannot_be_approved_afterwards(
    database: Database,
) -> None:
    require(database, Guard.DELETE)
    held = asked(database, CommandType.DELETE)

    decline(database, held.id, who=KIM, reason="still in use")

    now = again(database, held)
    assert now.status is CommandStatus.FAILED
    assert now.error == "declined by os:kim: still in use"
    with pytest.raises(NothingToDecideError, match="was declined by os:kim"):
        approve(database, held.id, who=KIM)
    assert wake_ups(database) == 0


def test_two_who_approve_at_once_wake_one_worker(database: Database) -> None:
    require(database, Guard.DELETE)
    held = asked(database, CommandType.DELETE)

    def decide(who: str) -> bool:
        try:
            approve(database, held.id, who=Identity(who))
        except NothingToDecideError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        decided = list(pool.map(decide, ["os:kim", "os:ida"]))

    assert sorted(decided) == [False, True]
    assert wake_ups(database) == 1


def test_as_many_revocations_as_are_allowed_go_through_and_the_next_waits(
    database: Database,
) -> None:
    require(database, Guard.REVOKE_MANY, above=3)

    mine = [asked(database, CommandType.REVOKE).status for _ in range(5)]
    # Another's are counted for him.
    other = asked(database, CommandType.REVOKE, SHOP).status

    assert mine == [CommandStatus.QUEUED] * 3 + [CommandStatus.HELD] * 2
    assert other is CommandStatus.QUEUED
    with database.transaction() as db:
        db.execute(update(Command).values(created_at=func.now() - timedelta(hours=25)))
    assert asked(database, CommandType.REVOKE).status is CommandStatus.QUEUED


def test_revocations_sent_at_the_same_moment_are_counted_one_by_one(database: Database) -> None:
    require(database, Guard.REVOKE_MANY, above=3)

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: asked(database, CommandType.REVOKE).status, range(12)))

    assert found.count(CommandStatus.QUEUED) == 3


def test_the_same_command_sent_again_stays_held_and_is_asked_for_once(database: Database) -> None:
    require(database, Guard.DELETE)
    own_id = str(uuid.uuid4())
    for _ in range(3):
        with database.transaction() as db:
            data = {"certificate": "x"}
            held, _ = accept(
                db,
                CommandType.DELETE,
                data,
                requested_by=SHOP,
                source="shop",
                command_id=own_id,
            )

    assert held.status is CommandStatus.HELD
    assert database.run(lambda db: db.scalar(select(func.count()).select_from(Approval))) == 1


def test_the_rule_is_not_weakened_by_one_person(database: Database) -> None:
    require(database, Guard.DELETE, Guard.REVOKE_MANY, above=5)
    weaker: list[tuple[list[Guard], int | None]] = [
        ([], None),
        ([Guard.REVOKE_MANY], None),
        ([Guard.DELETE, Guard.REVOKE_MANY], 6),
        ([Guard.EXPORT_KEY], None),
    ]
    for guards, above in weaker:
        assert change_rule(database, guards, above, who=ANNA) is not None
    assert asked(database, CommandType.DELETE).status is CommandStatus.HELD

    # More, or less that needs none, is nobody's loss.
    require(database, *[Guard.DELETE, Guard.REVOKE_MANY, Guard.EXPORT_KEY], above=2)


def test_the_rule_is_weakened_once_by_two_and_only_as_was_approved(database: Database) -> None:
    require(database, Guard.DELETE, Guard.EXPORT_KEY)
    waits = change_rule(database, [Guard.DELETE], None, who=ANNA)
    assert waits is not None
    approve(database, waits.id, who=KIM)

    assert change_rule(database, [], None, who=ANNA) is not None
    assert change_rule(database, [Guard.DELETE], None, who=KIM) is not None
    assert change_rule(database, [Guard.DELETE], None, who=ANNA) is None
    # It is used up.
    require(database, Guard.DELETE, Guard.EXPORT_KEY)
    assert change_rule(database, [Guard.DELETE], None, who=ANNA) is not None


def test_what_has_ended_meanwhile_is_neither_shown_nor_approved(database: Database) -> None:
    require(database, Guard.DELETE)
    held = asked(database, CommandType.DELETE)
    with database.transaction() as db:
        db.execute(update(Command).values(status=CommandStatus.FAILED, finished_at=func.now()))

    with pytest.raises(NothingToDecideError, match="is failed"):
        approve(database, held.id, who=KIM)

    assert wake_ups(database) == 0
