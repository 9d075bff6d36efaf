"""An attacker who may send commands tries to fill the database with them (review M8)."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select, update

from certline.models import (
    AuditEntry,
    Command,
    CommandStatus,
    CommandType,
    Database,
    DeadLetter,
    ImportRecord,
    Outbox,
    Redelivery,
    Schedule,
    ScheduleRun,
)
from certline.models.audit.chain import breaks_in
from certline.models.audit.identity import Identity
from certline.models.commands.approval import Approval, Guard, ask
from certline.models.commands.command import accept
from certline.models.commands.redelivery import count_redelivery
from certline.models.database.session import clock
from certline.models.imports.record import RecordStatus
from certline.models.settings import Settings
from certline.producers import retention as retention_module
from certline.producers.ingress import take
from certline.producers.messaging.open_quota import OpenQuota
from certline.producers.requests.dead_letters import CannotReplayError, replay
from certline.producers.retention import Keep, Retention
from tests.integration.producers.letters import from_outside
from tests.integration.producers.senders import VAULT, an_event, commands, events, letters
from tests.support.factories import a_sender, an_order
from tests.support.sealed_rows import opened

DAY = timedelta(days=1)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Yield the test's database, in which the shop and the bank are senders."""
    database = Database(database_url)
    with database.transaction() as db:
        for user in ("shop", "bank"):
            a_sender(db, name=user, amqp_user=user)
    yield database
    database.close()


def send(database: Database, *, user: str, most: int, **attributes: Any) -> None:
    """Let the ingress take an invalid command of a user, of whom so many dead letters may wait."""
    take(database, VAULT, from_outside(an_event(data={}, **attributes), user_id=user), most=most)


def test_of_a_flood_of_bad_messages_only_so_many_are_kept_and_the_rest_is_counted(
    database: Database,
) -> None:
    for _ in range(8):
        send(database, user="shop", most=3)

    *kept, rest = letters(database)
    assert [letter.attempts for letter in kept] == [1, 1, 1]
    assert rest.attempts == 5
    assert "of further ones of this day, only the number (attempts) is kept" in rest.reason
    assert len(opened(VAULT, rest, "body_sealed")) == 0
    # As many of the others are answered as may wait; an event costs a row too.
    assert len(events(database, "command.rejected")) == 6
    with pytest.raises(CannotReplayError):
        replay(database, VAULT, rest.id, who=Identity("os:test"))


def test_the_flood_of_one_sender_costs_another_one_nothing(database: Database) -> None:
    for _ in range(4):
        send(database, user="shop", most=2)

    send(database, user="bank", most=2, id=(own := str(uuid4())))

    assert [letter.sender for letter in letters(database)].count("bank") == 1
    assert events(database, "command.rejected")[-1]["correlationid"] == own


def test_a_sender_with_too_many_open_commands_is_told_to_wait(database: Database) -> None:
    quota = OpenQuota(2)
    for _ in range(3):
        take(database, VAULT, from_outside(an_event(), user_id="shop"), quota=quota)
    take(database, VAULT, from_outside(an_event(), user_id="bank"), quota=quota)

    assert [command.requested_by for command in commands(database)].count("amqp:shop") == 2
    assert [command.requested_by for command in commands(database)].count("amqp:bank") == 1
    assert "has 2 open commands, and may have no more" in letters(database)[0].reason


def test_a_command_that_was_taken_is_not_refused_when_it_comes_again_with_the_quota_used_up(
    database: Database,
) -> None:
    quota, first = OpenQuota(1), an_event()
    for event in (first, an_event(), first):
        take(database, VAULT, from_outside(event, user_id="shop"), quota=quota)

    assert len(letters(database)) == 1


def test_what_is_old_is_deleted_and_what_is_young_is_kept(database: Database) -> None:
    keep = Keep()
    with database.transaction() as db:
        sent, parked = (an_outbox_row(db) for _ in range(2))
        sent.sent_at, parked.parked_at = clock(db, -8 * DAY), clock(db, -91 * DAY)
        young = an_outbox_row(db)
        young.sent_at = clock(db, -6 * DAY)
        count_redelivery(db, "x")
        db.execute(update(Redelivery).values(seen_at=func.now() - 2 * DAY))
        schedule = db.scalars(select(Schedule).order_by(Schedule.name)).first()
        assert schedule is not None
        for age in (40, 35, 31):
            db.add(
                ScheduleRun(
                    name=schedule.name, due=clock(db, -age * DAY), fired_at=clock(db, -age * DAY)
                )
            )
        old = ended(db, CommandType.SYNC, 401, source="//shop")
        ended(db, CommandType.SYNC, 399, source="//shop")
        step = ended(db, CommandType.FETCH, 31, source="certline")
        ended(db, CommandType.FETCH, 29, source="certline")
        asked = ended(db, CommandType.POLL, 31, source="//shop")

    gone = Retention(database, keep).go_on()

    assert gone == {"events": 2, "redeliveries": 1, "firings": 2, "commands": 2}
    with database.transaction() as db:
        left = set(db.scalars(select(Command.id)))
    assert old not in left
    assert step not in left
    assert asked in left


def test_an_open_command_and_one_with_an_order_are_never_deleted(database: Database) -> None:
    with database.transaction() as db:
        ordered = ended(db, CommandType.ORDER, 4000, source="//shop")
        an_order(db, command_id=ordered)
        waits, _ = accept(
            db, CommandType.SYNC, {}, requested_by=Identity("os:shop"), source="//shop"
        )
        db.execute(
            update(Command).where(Command.id == waits.id).values(created_at=func.now() - 4000 * DAY)
        )

    Retention(database, Keep()).go_on()

    with database.transaction() as db:
        assert {ordered, waits.id} <= set(db.scalars(select(Command.id)))


def test_a_finished_imports_records_go_before_it_and_in_pieces(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_module, "PIECE", 10)
    with database.transaction() as db:
        old = ended(db, CommandType.IMPORT, 401, source="cli")
        running, _ = accept(
            db, CommandType.IMPORT, {}, requested_by=Identity("os:ida"), source="cli"
        )
        for command, count in ((old, 25), (running.id, 3)):
            for number in range(count):
                db.add(ImportRecord(command_id=command, scm_id=number, status=RecordStatus.KNOWN))

    gone = Retention(database, Keep()).go_on()

    assert gone == {"import records": 25, "commands": 1}
    with database.transaction() as db:
        assert db.scalar(select(func.count()).select_from(ImportRecord)) == 3


def test_no_transaction_of_the_retention_deletes_more_than_a_thousand_rows() -> None:
    assert retention_module.PIECE <= 1000


def test_letters_that_nobody_decides_about_go_in_the_end_and_the_audit_log_says_so(
    database: Database,
) -> None:
    for _ in range(2):
        send(database, user="shop", most=9)
    with database.transaction() as db:
        db.execute(update(DeadLetter).values(received_at=func.now() - 91 * DAY))
    send(database, user="shop", most=9)

    assert Retention(database, Keep()).go_on() == {"letters": 2}

    with database.transaction() as db:
        [told] = db.scalars(select(AuditEntry).where(AuditEntry.type == "dead_letter.forgotten"))
        assert told.data == {"count": 2}
    with database.transaction() as db:
        assert list(breaks_in(db)) == []


def test_approvals_go_long_after_their_decision_and_those_of_held_commands_stay(
    database: Database,
) -> None:
    ida, bo = Identity("os:ida"), Identity("os:bo")
    with database.transaction() as db:
        decided, _, held = (
            ask(db, Guard.EXPORT_KEY, request, ida, command_id=command)
            for request, command in (("one", None), ("two", None), ("three", str(uuid4())))
        )
        decided.approved, decided.decided_by = True, bo.name
        decided.decided_at = func.now() - 401 * DAY
        db.flush()
        db.execute(update(Approval).values(requested_at=func.now() - 402 * DAY))
        kept = held.id

    assert Retention(database, Keep()).go_on() == {"approvals": 2}

    with database.transaction() as db:
        assert db.scalars(select(Approval.id)).all() == [kept]


def test_the_retention_is_what_the_settings_say() -> None:
    keep = Keep.of(Settings())

    assert (keep.events.days, keep.letters.days, keep.steps.days, keep.commands.days) == (
        7,
        90,
        30,
        400,
    )


def an_outbox_row(db: Any) -> Outbox:
    """Insert a row of the outbox."""
    row = Outbox(event_id=str(uuid4()), exchange="", routing_key="certline.poll", body={})
    db.add(row)
    db.flush()
    return row


def ended(db: Any, kind: CommandType, age: int, *, source: str) -> str:
    """Insert a command that was done so many days ago, and return its id."""
    command, _ = accept(
        db, kind, {}, requested_by=Identity("os:shop"), source=source, subject=str(uuid4())
    )
    db.execute(
        update(Command)
        .where(Command.id == command.id)
        .values(status=CommandStatus.DONE, finished_at=func.now() - age * DAY)
    )
    return command.id
