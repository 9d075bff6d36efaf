"""Requests for imports: by users, and as the daily drift check of every account."""

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from certline.models import Account, AccountStatus, Command, CommandType, Database, Order
from certline.models.accounts.account import account_for
from certline.models.audit.identity import SCHEDULE, Identity
from certline.models.commands.command import OPEN, accept
from certline.models.commands.idempotency import known_id
from certline.models.commands.payloads import ImportCommand
from certline.producers.requests.acceptance import Accepted, UserRequest
from certline.producers.requests.accounts import refuse_suspended
from certline.workers.steps.import_orders import filter_of


def request_import(
    database: Database,
    wanted: ImportCommand,
    *,
    requested_by: Identity,
    command_id: str | None = None,
) -> Accepted:
    """Record a command that imports orders of SCM; the same command id again returns the first command.

    Raises BadCommandError if the filter doesn't fit what SCM offers, SuspendedError if the account is suspended,
    OtherCommandError if the id was used for something else.
    """
    command_id = None if command_id is None else known_id(command_id)
    with database.transaction() as db:
        account = account_for(db, wanted.account)
        filter_of(db, account, wanted)  # only to reject a bad filter now, not in the step
        named = wanted.model_copy(update={"account": account.name})
        request = UserRequest(CommandType.IMPORT, named, requested_by, command_id)
        first = request.earlier(db)
        if first is not None:
            return first
        refuse_suspended(account)
        return request.accept(db, subject=account.name)


def look_for_drift(db: Session) -> int:
    """Emit a drift check (an import of known orders) for each active account. Returns the number of accounts.

    Accounts with no order known to SCM, or with an import still open, are skipped.
    """
    looking = exists().where(
        Command.type == CommandType.IMPORT,
        Command.subject == Account.name,
        Command.status.in_(OPEN),
    )
    something_here = exists().where(Order.account_id == Account.id, Order.scm_id.is_not(None))
    query = select(Account).where(Account.status == AccountStatus.ACTIVE, something_here, ~looking)
    found = db.scalars(query.order_by(Account.name)).all()
    for account in found:
        # `known`: only orders in our database are compared; new ones at SCM are not imported.
        payload = ImportCommand(account=account.name, known=True)
        data = payload.model_dump(mode="json", exclude_defaults=True)
        accept(
            db,
            CommandType.IMPORT,
            data,
            requested_by=SCHEDULE,
            source="producer",
            subject=account.name,
        )
    return len(found)
