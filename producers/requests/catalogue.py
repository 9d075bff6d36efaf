"""Requests to sync what SCM offers an account: its organisations, domains, profiles and custom fields."""

from typing import Any

from sqlalchemy.orm import Session

from certline.models import Account, AccountStatus, Command, CommandType, Database
from certline.models.accounts.account import account_for, accounts
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from certline.models.commands.payloads import SyncCommand
from certline.producers.requests.accounts import refuse_suspended


def request_sync(
    database: Database, wanted: SyncCommand, *, requested_by: Identity
) -> list[Command]:
    """Record commands that sync one account, or every active account if none is named. Returns the commands.

    Raises BadCommandError if the account is not known, SuspendedError if the named account is suspended.
    """
    with database.transaction() as db:
        if wanted.account is None:
            chosen = accounts(db)
            if not chosen:
                account_for(db, None)  # raises: there is none
        else:
            chosen = [account_for(db, wanted.account)]
            refuse_suspended(chosen[0])
        return [
            sync_account(db, account, wanted.resources, requested_by=requested_by, source="cli")
            for account in chosen
            if account.status is AccountStatus.ACTIVE
        ]


def sync_account(
    db: Session, account: Account, resources: list[Any], *, requested_by: Identity, source: str
) -> Command:
    """Record a command that syncs one account, and return it."""
    payload = SyncCommand(account=account.name, resources=resources).model_dump(mode="json")
    command, _ = accept(
        db,
        CommandType.SYNC,
        payload,
        requested_by=requested_by,
        source=source,
        subject=account.name,
    )
    return command
