"""The step `notify`: send the notices of one route that are due, gathered into few messages."""

import uuid
from functools import partial
from typing import Any

import structlog

from certline.models import Command, CommandType, NoticeRoute
from certline.models.commands.payloads import NotifyCommand, read_payload
from certline.models.database.secret_place import place_of
from certline.models.notices.delivery import DueLetters, due_letters, note_sent, settle
from certline.models.notices.words import test_letter
from certline.models.vault import WrongSecretKeyError
from certline.workers.notices import channel
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.outcomes import GiveUp
from certline.workers.runtime.step import plain_step

log = structlog.get_logger()


def notify(context: WorkerContext, command: Command) -> dict[str, Any] | None:
    """Send the messages that are due for a route, one after the other, until one is not taken.

    Each is stored as sent before the next one begins, so after a crash at most one message is sent again: the one
    whose answer was not stored. The command is put off while more waits.
    """
    wanted = read_payload(NotifyCommand, command.payload)
    if wanted.test is not None:
        return _test(context, wanted.route, wanted.test)
    with context.database.transaction() as db:
        due = due_letters(db, wanted.route, command.id)
    if due is not None and due.taken:
        return None
    sent, why = (0, None) if due is None else _send(context, due)
    context.store(partial(settle, command_id=command.id, route_id=wanted.route, sent=sent, why=why))
    return None


def _send(context: WorkerContext, due: DueLetters) -> tuple[int, str | None]:
    """Send messages. Returns how many were taken, and why the next one was not."""
    if not due.letters:
        return 0, None
    try:
        url = _open(context, due.route)
    except WrongSecretKeyError as lost:
        return 0, str(lost)
    for count, each in enumerate(due.letters):
        why = channel.send(url, each.letter)
        if why is not None:
            log.warning("notify.not_taken", route=due.route.name, why=why)
            return count, why
        message_id = str(uuid.uuid4())
        context.store(
            partial(note_sent, route_id=due.route.id, notices=each.notices, message_id=message_id)
        )
    return len(due.letters), None


def _test(context: WorkerContext, route_id: str, who: str) -> dict[str, Any]:
    """Send a test message once. Raises GiveUp if it is not taken."""
    with context.database.transaction() as db:
        route = db.get(NoticeRoute, route_id)
    if route is None:
        raise GiveUp("the route was removed")
    why = channel.send(_open(context, route), test_letter(route.name, who))
    if why is not None:
        raise GiveUp(f"{route.service}: {why}")
    return {"outcome": "taken", "said": f"done: {route.service} has taken it"}


def _open(context: WorkerContext, route: NoticeRoute) -> str:
    """Return a route's URL, which must stay in memory. Raises WrongSecretKeyError, WithdrawnVaultError."""
    return context.vault.open(route.url_sealed, place_of(route, "url_sealed")).decode()


STEP = plain_step(CommandType.NOTIFY, notify)
