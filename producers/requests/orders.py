"""Requests from the CLI: each is recorded as a command, with the rows it needs, in one transaction."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from certline.models import (
    Account,
    AccountStatus,
    Certificate,
    Command,
    CommandStatus,
    CommandType,
    Database,
    Order,
)
from certline.models.accounts.account import account_for, accounts
from certline.models.accounts.catalogue import profiles
from certline.models.accounts.suspension import suspended_text
from certline.models.audit.log import record
from certline.models.certificates.license import LicenseUse, license_use, set_capacity
from certline.models.commands.command import (
    ONE_AT_A_TIME,
    OPEN,
    accept,
    hasten,
    known_id,
    open_step,
    require_same,
)
from certline.models.commands.payloads import OrderCommand, SyncCommand
from certline.models.lifecycle.moves import ask_now, release_held
from certline.models.orders.checks import find_offered, usual_key
from certline.models.states import OrderStatus
from certline.models.validation import BadCommandError
from certline.models.vault import Vault
from certline.workers.ordering.key_material import make_key
from certline.workers.ordering.placement import check, place


class SuspendedError(Exception):
    """The account is suspended; the text says what to do."""


@dataclass(frozen=True)
class Accepted:
    """A command that was accepted. `new` is False if the same command had been accepted before.

    `already`: the open order of the same intent, which the command refers to instead of placing a new one.
    """

    command: Command
    new: bool
    warnings: list[str]
    already: Order | None = None


def check_order(database: Database, wanted: OrderCommand) -> list[str]:
    """Check an order against the last sync without placing it. Returns the warnings. Raises BadCommandError."""
    with database.transaction() as db:
        return check(db, account_for(db, wanted.account), wanted).warnings


def key_of(
    database: Database,
    *,
    account: str | None,
    profile: str,
    algorithm: str | None,
    size: str | None,
) -> tuple[str, str]:
    """Return algorithm and size of an order's key; those not given are chosen by its profile as last synced."""
    known = None
    if algorithm is None or size is None:
        # An unknown account or profile is reported by the check of the order, with its other problems.
        with database.transaction() as db, suppress(BadCommandError):
            offered = profiles(db, account_for(db, account).id)
            known = find_offered("profile", profile, offered)
    return usual_key(known, algorithm, size)


def request_order(
    database: Database,
    vault: Vault,
    wanted: OrderCommand,
    *,
    requested_by: str,
    command_id: str | None = None,
) -> Accepted:
    """Place an order: command, order, key, CSR, reference and wake-up in one transaction.

    The same command id again returns the first command; the same intent under another id returns the open order
    in `Accepted.already`. Raises BadCommandError if the order is invalid, SuspendedError if the account is
    suspended, OtherCommandError if the id was used for something else.
    """
    payload = wanted.model_dump(mode="json", exclude_defaults=True)
    command_id = None if command_id is None else known_id(command_id)
    with database.transaction() as db:
        first = None if command_id is None else db.get(Command, command_id)
        if first is not None:
            require_same(first, CommandType.ORDER, payload)
            return Accepted(first, False, [])
        account = account_for(db, wanted.account)
        refuse_suspended(account)
        checked = check(db, account, wanted)
    # Generating a key takes time: between the transactions, so that no lock is held meanwhile.
    material = make_key(wanted, vault)
    with database.transaction() as db:
        command, new = accept(
            db,
            CommandType.ORDER,
            payload,
            requested_by=requested_by,
            source="cli",
            command_id=command_id,
        )
        if not new:  # accepted by a concurrent request meanwhile: the new key is discarded
            return Accepted(command, False, [])
        placed = place(
            db, command, account, wanted=wanted, checked=checked, material=material, vault=vault
        )
        already = db.get(Order, command.subject) if placed is None else None
    return Accepted(command, True, checked.warnings, already)


def request_sync(database: Database, wanted: SyncCommand, *, requested_by: str) -> list[Command]:
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
    db: Session, account: Account, resources: list[Any], *, requested_by: str, source: str
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


def request_polls(database: Database, orders: list[str]) -> list[Command]:
    """Poll these orders at SCM now. Returns their poll commands; orders that are not pending are left out."""
    with database.transaction() as db:
        named = db.scalars(select(Order).where(Order.id.in_(orders)))
        return ask_now(db, [order for order in named if order.status is OrderStatus.PENDING])


def retry(database: Database, command: Command, *, requested_by: str) -> Command:
    """Run a failed or waiting command again now. Returns it.

    Raises BadCommandError if the command is done or held, its order was sent already, or another command is doing
    the same step for the same subject.
    """
    with database.transaction() as db:
        row = db.get_one(Command, command.id, with_for_update=True)
        if row.status is CommandStatus.DONE or row.status is CommandStatus.HELD:
            raise BadCommandError([f"command {row.id} is {row.status}: there is nothing to retry"])
        order = db.scalar(select(Order).where(Order.command_id == row.id))
        if order is not None and order.status is not OrderStatus.PLACED:
            raise BadCommandError(
                [
                    (
                        f"order {order.id} is {order.status}: it is not sent again by a retry; "
                        f"see `certline order show {order.id}`"
                    )
                ]
            )
        if row.status not in OPEN:
            # The unique index command_open_step would reject a second open step.
            if row.type in ONE_AT_A_TIME:
                going = open_step(db, row.type, row.subject)
                if going is not None:
                    raise BadCommandError([f"command {going.id} is doing the same already"])
            row.status = CommandStatus.QUEUED
            row.finished_at = None
            row.restarts = 0
        record(db, "command.retried", row.id, who=requested_by, command_id=row.id)
        hasten(db, row)
        return row


def lift_suspension(db: Session, account: Account, *, who: str) -> int:
    """Reactivate an account whose login works again, and make its waiting commands due. Returns how many."""
    account.status = AccountStatus.ACTIVE
    account.status_reason = None
    record(db, "account.verified", account.name, who=who)
    orders = select(Order.id).where(Order.account_id == account.id)
    certificates = select(Certificate.id).where(Certificate.account_id == account.id)
    # The subject of these is neither an order nor a certificate, but their payload names the account.
    of_an_import = and_(
        Command.type.in_((CommandType.IMPORT, CommandType.IMPORT_BATCH)),
        Command.payload["account"].as_string() == account.name,
    )
    waiting = db.scalars(
        select(Command).where(
            or_(Command.subject.in_(orders.union(certificates)), of_an_import),
            Command.status == CommandStatus.QUEUED,
            # A revocation scheduled for later waits for its time, not for this account.
            or_(
                Command.type != CommandType.REVOKE,
                Command.started_at.is_not(None),
                Command.not_before <= func.now(),
            ),
        )
    ).all()
    for command in waiting:
        hasten(db, command)
    return len(waiting)


def set_license(database: Database, capacity: int, *, requested_by: str) -> tuple[LicenseUse, int]:
    """Set the licence's capacity (lines) and release held orders. Returns (licence use, orders released)."""
    with database.transaction() as db:
        before = license_use(db).capacity
        set_capacity(db, capacity)
        record(db, "license.set", "license", who=requested_by, before=before, capacity=capacity)
        released = release_held(db, why=f"capacity set to {capacity}")
        return license_use(db), len(released)


def refuse_suspended(account: Account) -> None:
    """Raise SuspendedError if the account is not active, since SCM can't be called with its login."""
    if account.status is not AccountStatus.ACTIVE:
        raise SuspendedError(suspended_text(account))
