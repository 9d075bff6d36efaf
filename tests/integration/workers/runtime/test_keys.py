"""Tests of steps whose secret does not open: a worker with outdated keys, and a secret that is lost."""

from cryptography.fernet import Fernet
from sqlalchemy import update

from certline.models import Account, AccountStatus, Command, CommandStatus, Database, OrderStatus
from certline.models.audit.identity import Identity
from certline.models.key_proof import prove, watch_keys
from certline.models.vault import Vault
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.step import run
from tests.integration.workers.conftest import STEP_OF, Bench


def test_a_worker_with_outdated_keys_says_so_and_leaves_the_command_to_others(
    bench: Bench, database: Database
) -> None:
    old, key = bench.line.vault, Fernet.generate_key().decode()
    command = bench.place()
    both = Vault(f"{key},{bench.secret_key}")
    with database.transaction() as db:
        prove(db, old, who=Identity("os:test"))
        prove(db, both, who=Identity("os:test"))
        account = db.get_one(Account, 1)
        account.secret_sealed = both.renew(account.secret_sealed or b"")
    watch_keys(database, old)

    run(bench.line, STEP_OF[command.type], command.id)

    with database.transaction() as db:
        waiting = db.get_one(Command, command.id)
        assert waiting.status is CommandStatus.QUEUED
        assert "has to be restarted with the right secret keys" in (waiting.error or "")
        assert both.keys[0] in (waiting.error or "")
        db.execute(update(Command).values(not_before=waiting.created_at))

    fresh = WorkerContext(database, both, bench.line.settings)
    run(fresh, STEP_OF[command.type], command.id)
    assert bench.order(command).status is OrderStatus.PENDING


def test_an_account_whose_login_is_lost_is_suspended_and_its_order_kept(
    bench: Bench, database: Database
) -> None:
    command = bench.place()
    lost = Vault(Fernet.generate_key().decode())
    with database.transaction() as db:
        db.get_one(Account, 1).secret_sealed = lost.seal(b"secret")

    run(bench.line, STEP_OF[command.type], command.id)

    with database.transaction() as db:
        account = db.get_one(Account, 1)
        assert account.status is AccountStatus.SUSPENDED
        assert "cannot be read with the secret keys" in (account.status_reason or "")
    assert bench.order(command).status is OrderStatus.PLACED
