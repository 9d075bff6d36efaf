"""The state of an import is a row: it is shown while it runs, outlives the migration, and ends once."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from alembic import command as alembic
from sqlalchemy import text

from certline.models import Command, CommandStatus, CommandType, Database, ImportRecord, ImportRun
from certline.models.audit.identity import Identity
from certline.models.database.migrate import _config, upgrade
from certline.models.imports.progress import note_records, settle_records
from certline.models.imports.record import Outcome, RecordStatus
from certline.models.imports.run import show_progress
from certline.producers.requests.commands import retry
from certline.workers.importing import record_reader
from certline.workers.steps import import_batch, import_orders
from tests.integration.cli.conftest import Typist
from tests.integration.imports.conftest import FLEET, Estate

# The result of an import in the middle of its only batch, as the version before this table kept it.
BEFORE = {
    "account": "demo",
    "first": True,
    "listing": False,
    "look": 1,
    "position": 0,
    "total": FLEET,
    "listed": FLEET,
    "batches": 1,
    "waiting": FLEET - 10,
    "known": 0,
    "new": 0,
    "updated": 0,
    "left": 0,
    "failed": 0,
    "failures": [],
}


@pytest.fixture
def half_done(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> Command:
    """An import whose batch has stored its first ten records."""
    with monkeypatch.context() as patch:
        patch.setattr(record_reader, "GROUP", 10)
        patch.setattr(import_batch, "SLICE", -1)
        command = estate.ask()
        estate.run(command.id)
        estate.run_kinds(CommandType.IMPORT_BATCH)
    return command


def downgrade(database: Database) -> None:
    """Take the tables back to those that had no `import_run`."""
    with database.engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        alembic.downgrade(config, "0012")


def result_in_database(database: Database, command: Command) -> Any:
    """The result that the command's row has."""
    query = text("SELECT result FROM command WHERE id = :id")
    with database.transaction() as db:
        return db.scalar(query, {"id": command.id})


def shown(estate: Estate, command: Command) -> dict[str, Any]:
    """The result that a user sees."""
    with estate.database.transaction() as db:
        found = db.get_one(Command, command.id)
        show_progress(db, [found])
    return found.result or {}


def test_an_import_that_was_open_before_the_migration_goes_on_after_it(
    estate: Estate, half_done: Command
) -> None:
    downgrade(estate.database)
    before = result_in_database(estate.database, half_done)
    calls = estate.counts()

    upgrade(estate.database.url)

    assert {name: before[name] for name in BEFORE} == BEFORE
    assert result_in_database(estate.database, half_done) is None
    assert shown(estate, half_done) == before
    result = estate.finish(half_done)
    assert result["listed"] == result["news"]["new"] == len(estate.orders()) == FLEET
    assert result["stored"] == len(estate.certificates())
    # Neither the list nor a record that was stored before is read again.
    assert estate.counts()[:2] == (calls[0], calls[1] + FLEET - 10)


def test_an_import_that_was_reading_the_list_goes_on_at_its_page_after_the_migration(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_orders, "SLICE", -1)
    estate.settings(page_max=20, cut_page_size=True)
    command = estate.ask()
    estate.run(command.id)
    lists = estate.counts()[0]

    downgrade(estate.database)
    upgrade(estate.database.url)
    result = estate.finish(command)

    assert result["listed"] == result["total"] == len(estate.orders()) == FLEET
    assert estate.counts()[0] == lists + 2


@pytest.mark.parametrize("key", ["first", "position", "left", "news", "failures"])
def test_a_result_that_lacks_a_key_does_not_stop_the_migration(
    estate: Estate, half_done: Command, key: str
) -> None:
    downgrade(estate.database)
    before = result_in_database(estate.database, half_done)
    with estate.database.transaction() as db:
        change = text("UPDATE command SET result = result - :key WHERE id = :id")
        db.execute(change, {"key": key, "id": half_done.id})

    upgrade(estate.database.url)

    after = shown(estate, half_done)
    assert {name: after[name] for name in before if name not in (key, "first")} == {
        name: before[name] for name in before if name not in (key, "first")
    }


def test_a_stopped_import_can_be_tried_again_after_the_migration(
    estate: Estate, half_done: Command
) -> None:
    with estate.database.transaction() as db:
        db.get_one(Command, half_done.id).status = CommandStatus.REVIEW

    downgrade(estate.database)
    upgrade(estate.database.url)
    retry(estate.database, estate.command(half_done.id), requested_by=Identity("os:ida"))

    assert estate.finish(half_done)["listed"] == len(estate.orders()) == FLEET


def test_the_migration_leaves_imports_that_have_ended_and_dry_runs_as_they_are(
    estate: Estate,
) -> None:
    dry, ended = estate.ask(dry_run=True), estate.ask()
    results = [estate.finish(dry), estate.finish(ended)]

    downgrade(estate.database)
    assert [result_in_database(estate.database, each) for each in (dry, ended)] == results
    upgrade(estate.database.url)

    assert [result_in_database(estate.database, each) for each in (dry, ended)] == results
    with estate.database.transaction() as db:
        assert db.get(ImportRun, ended.id) is None


def test_the_state_is_shown_while_the_import_runs_and_its_result_afterwards(
    estate: Estate, half_done: Command, typist: Typist
) -> None:
    document = typist.json("command", "show", half_done.id)
    (listed,) = typist.json("command", "list", "--type", "import")
    read = typist.types("command", "show", half_done.id)
    waited = typist.types("command", "wait", half_done.id, "--timeout", "0", code=5)

    assert {name: document["result"][name] for name in BEFORE} == BEFORE
    assert listed["result"] == document["result"]
    assert f"10 of {FLEET}" in read
    assert f"10 of {FLEET}" in waited
    assert result_in_database(estate.database, half_done) is None

    result = estate.finish(half_done)

    assert typist.json("command", "show", half_done.id)["result"] == result
    assert result_in_database(estate.database, half_done) == result
    assert estate.told("import.completed") == [result]
    assert not {"first", "listing", "look", "position", "batches", "waiting"} & set(result)


def test_batches_that_end_at_once_end_the_import_once(estate: Estate) -> None:
    command = estate.ask(order=[1])
    estate.run(command.id)
    ids = range(1000, 1020)
    with estate.database.transaction() as db:
        note_records(db, command.id, dict.fromkeys(ids, RecordStatus.WAITING))
    outcomes = [Outcome(scm_id, RecordStatus.LEFT) for scm_id in (1, *ids)]

    def settle(outcome: Outcome) -> None:
        with estate.database.transaction() as db:
            settle_records(db, command.id, [outcome])

    with ThreadPoolExecutor(4) as pool:
        # Each twice: a batch whose message is delivered again may be done by two workers.
        list(pool.map(settle, outcomes * 2))

    assert estate.command(command.id).status is CommandStatus.DONE
    (told,) = estate.told("import.completed")
    assert (told["left"], told["listed"]) == (21, 21)


def test_the_end_of_an_import_does_not_wait_for_a_transaction_that_adds_records(
    estate: Estate,
) -> None:
    command = estate.ask(order=[1])
    estate.run(command.id)

    with estate.database.transaction() as late, estate.database.transaction() as last:
        late.add(ImportRecord(command_id=command.id, scm_id=2, status=RecordStatus.WAITING))
        late.flush()  # it refers to the command, and would lock the run next
        last.execute(text("SET LOCAL lock_timeout = '2s'"))
        settle_records(last, command.id, [Outcome(1, RecordStatus.LEFT)])

    assert estate.command(command.id).status is CommandStatus.DONE
