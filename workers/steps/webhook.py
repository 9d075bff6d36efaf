"""The step `webhook`: one event is posted to one webhook, signed, until it is taken."""

import json
import random
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from certline.models import Command, CommandStatus, CommandType, Webhook, WebhookStatus
from certline.models.commands.payloads import WebhookCommand
from certline.models.webhook import disable, note_failure, note_success, park, take_turn
from certline.workers.runtime.context import Line
from certline.workers.runtime.outcomes import TryLater
from certline.workers.runtime.step import Step
from certline.workers.webhooks import receiver
from certline.workers.webhooks.receiver import NotPostedError
from certline.workers.webhooks.signature import signed
from certline.workers.webhooks.targets import BadTargetError

# Seconds between two tries of one delivery; with the last one failed, it is parked. 28 hours.
PAUSES = (5, 60, 300, 1_800, 7_200, 18_000, 36_000, 36_000)
MOST_TRIES = len(PAUSES) + 1
# A receiver that is away is tried with one delivery at a time: the others are parked by their age.
LONGEST = timedelta(hours=48)

CONTENT_TYPE = "application/cloudevents+json"


class _NotTakenError(Exception):
    """A try failed. `widespread`: any other delivery would have failed too."""

    def __init__(
        self, why: str, *, pause: int = 0, widespread: bool = True, gone: bool = False
    ) -> None:
        super().__init__(why)
        self.pause = timedelta(seconds=pause)
        self.widespread = widespread
        self.gone = gone


def deliver(line: Line, command: Command) -> dict[str, Any] | None:
    """Post an event to a webhook (CloudEvents' HTTP binding, structured mode).

    It is taken once the answer is 2xx, maybe twice where that answer is lost; receivers know it by
    its id. After MOST_TRIES it is parked, in review.
    """
    wanted = WebhookCommand.model_validate(command.payload)
    with line.database.transaction() as db:
        hook, rest = take_turn(db, wanted.webhook)
    if hook is None:
        return {"outcome": "its webhook has been removed"}
    if hook.status is WebhookStatus.DISABLED:
        _park(line, command, f"the webhook is disabled: {hook.status_reason}")
        return None
    if rest is not None:
        if _is_old(command):
            _park(
                line, command, f"its webhook has failed for {LONGEST.total_seconds() // 3600:.0f} h"
            )
            return None
        spread = rest * random.uniform(1.0, 1.5)  # noqa: S311  # no secret
        raise TryLater("the webhook failed, and is left alone for a while", after=spread)

    try:
        status = _post(line, hook, wanted.event)
    except _NotTakenError as trouble:
        _again(line, command, trouble)
        return None

    line.store(partial(note_success, hook_id=hook.id))
    return {"outcome": "taken", "http_status": status}


def _post(line: Line, hook: Webhook, event: dict[str, Any]) -> int:
    """The status of an answer that takes the event. Raises _NotTakenError."""
    body = json.dumps(event, separators=(",", ":")).encode()
    secret = line.vault.open(hook.secret_sealed).decode()
    headers = signed(secret, event["id"], int(time.time()), body) | {
        "Content-Type": CONTENT_TYPE,
        "User-Agent": "certline",
    }
    try:
        answer = receiver.post(hook.url, headers, body, allow_private=hook.allow_private)
    except (NotPostedError, BadTargetError) as failed:
        raise _NotTakenError(str(failed)) from None
    if 200 <= answer.status < 300:
        return answer.status
    # Redirects aren't followed: they could lead to where nobody has allowed.
    raise _NotTakenError(
        f"it answered with status {answer.status}",
        pause=answer.retry_after,
        widespread=answer.status >= 500 or answer.status in (408, 429),
        gone=answer.status == 410,
    )


def _again(line: Line, command: Command, trouble: _NotTakenError) -> None:
    """Write down that a try failed; raises TryLater, or parks the delivery."""
    line.store(partial(_failed, hook_id=str(command.subject), trouble=trouble))
    if trouble.gone or command.attempts >= MOST_TRIES or _is_old(command):
        _park(line, command, f"{trouble} (tried {command.attempts} times)")
        return
    pause = PAUSES[command.attempts - 1] * random.uniform(1.0, 1.25)  # noqa: S311  # no secret
    after = max(timedelta(seconds=pause), trouble.pause)
    raise TryLater(str(trouble), after=after, costs_attempt=True)


def _failed(db: Session, hook_id: str, trouble: _NotTakenError) -> None:
    if trouble.gone:
        disable(db, hook_id, why=str(trouble))
    if trouble.widespread:
        note_failure(db, hook_id, at_least=trouble.pause)
    else:  # it works, and would not have this one
        note_success(db, hook_id)


def _park(line: Line, command: Command, why: str) -> None:
    def work(db: Session) -> None:
        row = db.get_one(Command, command.id, with_for_update=True)
        if row.status is CommandStatus.RUNNING:
            park(db, row, why=why)

    line.store(work)


def _is_old(command: Command) -> bool:
    begun = command.started_at or command.created_at
    return datetime.now(UTC) - begun > LONGEST


STEP = Step(CommandType.WEBHOOK, deliver)
