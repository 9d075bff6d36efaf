"""The step `webhook`: post one signed event to one webhook until the receiver accepts it."""

import json
import random
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from certline.models import Command, CommandStatus, CommandType, Webhook, WebhookStatus
from certline.models.commands.payloads import WebhookCommand, read_payload
from certline.models.database.secret_place import place_of
from certline.models.webhook import disable, note_failure, note_success, park, take_turn
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.outcomes import GiveUp, TryLater
from certline.workers.runtime.step import plain_step
from certline.workers.tracing.span import SpanKind, annotate, span
from certline.workers.webhooks import receiver
from certline.workers.webhooks.receiver import NotPostedError
from certline.workers.webhooks.signature import signed
from certline.workers.webhooks.targets import BadTargetError
from certline.workers.webhooks.turns import ReceiverTurns

# Seconds between two tries of one delivery, about 28 hours in all; after the last failed try it is parked.
PAUSES = (5, 60, 300, 1_800, 7_200, 18_000, 36_000, 36_000)
MOST_TRIES = len(PAUSES) + 1
# Age at which a delivery is parked whatever its tries: a failing receiver is tried with one delivery at a
# time, so the others would wait for ever without reaching MOST_TRIES.
LONGEST = timedelta(hours=48)
LONGEST_HOURS = LONGEST / timedelta(hours=1)

CONTENT_TYPE = "application/cloudevents+json"

# Of this process.
TURNS = ReceiverTurns()


class _NotTakenError(Exception):
    """Failed try of a delivery. `pause`: seconds that the receiver asked for; `widespread`: any other delivery
    to this webhook would have failed too; `gone`: the receiver says that it no longer exists.
    """

    def __init__(
        self, why: str, *, pause: int = 0, widespread: bool = True, gone: bool = False
    ) -> None:
        super().__init__(why)
        self.pause = timedelta(seconds=pause)
        self.widespread = widespread
        self.gone = gone


def deliver(context: WorkerContext, command: Command) -> dict[str, Any] | None:
    """Post an event to a webhook (CloudEvents' HTTP binding, structured mode). Raises TryLater.

    A 2xx response completes the delivery. If that response is lost the event is posted again, so receivers
    have to recognise it by its id. After MOST_TRIES failed tries the delivery is parked in review.
    """
    wanted = read_payload(WebhookCommand, command.payload)
    if wanted.test:
        return _test(context, wanted)
    with context.database.transaction() as db:
        hook, rest = take_turn(db, wanted.webhook)
    if hook is None:
        return {"outcome": "its webhook has been removed"}
    if hook.status is WebhookStatus.DISABLED:
        _park(context, command, f"the webhook is disabled: {hook.status_reason}")
        return None
    if rest is not None:
        if _is_old(command):
            _park(
                context,
                command,
                f"its webhook has failed for {LONGEST_HOURS:.0f} h",
            )
            return None
        # Spread out, so that the waiting deliveries do not all come back at once.
        spread = rest * random.uniform(1.0, 1.5)  # noqa: S311  # no secret
        raise TryLater("the webhook has failed; its deliveries pause for a while", after=spread)

    try:
        with TURNS.turn(hook.id) as wait:
            if wait is None:
                status = _post(context, hook, wanted.event)
    except _NotTakenError as trouble:
        _again(context, command, trouble)
        return None
    if wait is not None:
        if _is_old(command):
            _park(context, command, f"its webhook has been slow for {LONGEST_HOURS:.0f} h")
            return None
        raise TryLater(
            "the webhook is slow; its deliveries take turns", after=timedelta(seconds=wait)
        )

    context.store(partial(note_success, hook_id=hook.id))
    return {"outcome": "taken", "http_status": status}


def _test(context: WorkerContext, wanted: WebhookCommand) -> dict[str, Any]:
    """Post a test event once, also to a webhook that rests or is disabled. Raises GiveUp if it is not accepted."""
    with context.database.transaction() as db:
        hook = db.get(Webhook, wanted.webhook)
    if hook is None:
        raise GiveUp("the webhook has been removed")
    try:
        status = _post(context, hook, wanted.event)
    except _NotTakenError as trouble:
        raise GiveUp(str(trouble)) from None
    # The receiver works again, so its waiting deliveries need not rest any longer.
    context.store(partial(note_success, hook_id=hook.id))
    return {"outcome": "taken", "http_status": status, "said": f"done: it responded {status}"}


def _post(context: WorkerContext, hook: Webhook, event: dict[str, Any]) -> int:
    """Post the event and return the HTTP status, which is 2xx. Raises _NotTakenError otherwise."""
    # Serialised once: the signature covers exactly the bytes that are sent.
    body = json.dumps(event, separators=(",", ":")).encode()
    secret = context.vault.open(hook.secret_sealed, place_of(hook, "secret_sealed")).decode()
    headers = signed(secret, event["id"], int(time.time()), body) | {
        "Content-Type": CONTENT_TYPE,
        "User-Agent": "certline",
    }
    about = {"certline.webhook.id": hook.id, "certline.event.type": event["type"]}
    try:
        with span("webhook post", SpanKind.CLIENT, attributes=about) as traceparent:
            headers["traceparent"] = traceparent
            answer = receiver.post(hook.url, headers, body, allow_private=hook.allow_private)
            annotate({"http.response.status_code": answer.status})
    except (NotPostedError, BadTargetError) as failed:
        raise _NotTakenError(str(failed)) from None
    if 200 <= answer.status < 300:
        return answer.status
    # Redirects are not followed: they could lead to an address that the operator has not allowed.
    raise _NotTakenError(
        f"it answered with status {answer.status}",
        pause=answer.retry_after,
        widespread=answer.status >= 500 or answer.status in (408, 429),
        gone=answer.status == 410,
    )


def _again(context: WorkerContext, command: Command, trouble: _NotTakenError) -> None:
    """Record a failed try, then raise TryLater or park the delivery."""
    context.store(partial(_failed, hook_id=str(command.subject), trouble=trouble))
    if trouble.gone or command.attempts >= MOST_TRIES or _is_old(command):
        _park(context, command, f"{trouble} (tried {command.attempts} times)")
        return
    pause = PAUSES[command.attempts - 1] * random.uniform(1.0, 1.25)  # noqa: S311  # no secret
    after = max(timedelta(seconds=pause), trouble.pause)
    raise TryLater(str(trouble), after=after, costs_attempt=True)


def _failed(db: Session, hook_id: str, trouble: _NotTakenError) -> None:
    if trouble.gone:
        disable(db, hook_id, why=str(trouble))
    if trouble.widespread:
        note_failure(db, hook_id, at_least=trouble.pause)
    else:  # the receiver works and rejects only this event: other deliveries need no pause
        note_success(db, hook_id)


def _park(context: WorkerContext, command: Command, why: str) -> None:
    def work(db: Session) -> None:
        row = db.get_one(Command, command.id, with_for_update=True)
        if row.status is CommandStatus.RUNNING:  # another run may have ended it in the meantime
            park(db, row, why=why)

    context.store(work)


def _is_old(command: Command) -> bool:
    begun = command.started_at or command.created_at
    return datetime.now(UTC) - begun > LONGEST


STEP = plain_step(CommandType.WEBHOOK, deliver)
