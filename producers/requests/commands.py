"""Requests about commands: run one again."""

from sqlalchemy import select

from certline.models import Command, CommandStatus, Database, Order
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.commands.command import OPEN, hasten, open_step
from certline.models.commands.kinds import ONE_AT_A_TIME
from certline.models.states import OrderStatus
from certline.models.validation import BadCommandError


def retry(database: Database, command: Command, *, requested_by: Identity) -> Command:
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
