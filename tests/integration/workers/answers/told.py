"""The events that answer a command, as other systems see them."""

from typing import Any

from sqlalchemy import select, text

from certline.models import CommandType, Outbox
from certline.models.commands.answers import ANSWERS
from tests.integration.workers.conftest import Bench


def told(bench: Bench, command_id: str) -> list[dict[str, Any]]:
    """Return the events with this command's id, in order."""
    with bench.database.transaction() as db:
        own = text("body ->> 'correlationid' = :id").bindparams(id=command_id)
        return list(db.scalars(select(Outbox.body).where(own).order_by(Outbox.id)))


def answers(bench: Bench, command_id: str, kind: CommandType) -> list[str]:
    """Return the types of the events that answer this command, in order."""
    types = {*ANSWERS[kind], "command.failed", "command.rejected"}
    return [event["type"] for event in told(bench, command_id) if event["type"] in types]
