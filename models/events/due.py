"""Outbox rows on their way out, in statements for whole batches: taken, given back, refused.

The hot way of the relay: plain SQL, and the body as Postgres' text of it, which is published as it is.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from certline.models.events.outbox import EVENTS, MOST_TRIES

# Seconds that a refused row waits: 1, 2, 4 … and at most the longest.
FIRST_REFUSAL, LONGEST_REFUSAL = 1.0, 300

# The one row of `world` is there without any due row, too. Whether there is anything of senders, a webhook or a
# route, is seen in the same snapshot as the rows, so whoever sent or was added before an event gets it.
TAKE = text(
    """
    WITH due AS MATERIALIZED (
        SELECT id FROM outbox
        WHERE sent_at IS NULL AND parked_at IS NULL AND not_before <= now()
        ORDER BY not_before, id LIMIT :most FOR UPDATE SKIP LOCKED
    ), taken AS (
        UPDATE outbox SET sent_at = now() WHERE id = ANY(ARRAY(SELECT id FROM due))
        RETURNING id, event_id::text AS event_id, exchange, routing_key, body::text AS body, mandatory,
            nullif(senders, '{}') AS senders,
            -- Of an event it is an attribute, of a message of Dramatiq's format an option.
            coalesce(body ->> 'traceparent', body #>> '{options,traceparent}') AS traceparent
    ), world AS (
        SELECT
            (
                SELECT extract(epoch FROM min(not_before) - now())::float8 FROM outbox
                WHERE sent_at IS NULL AND parked_at IS NULL AND not_before > now()
            ) AS next_in,
            -- Sorted, so that the index of the condition is read whatever is known of the table.
            EXISTS (SELECT FROM command WHERE sender <> 'legacy' ORDER BY sender LIMIT 1) AS senders_exist,
            EXISTS (SELECT FROM webhook WHERE status = 'active') AS webhooks_exist,
            EXISTS (SELECT FROM notice_route) AS routes_exist
    )
    SELECT taken.*, world.* FROM world LEFT JOIN taken ON true ORDER BY taken.id
    """
)
GIVE_BACK = text("UPDATE outbox SET sent_at = NULL WHERE id = ANY(:ids)")
REFUSE = text(
    f"""
    UPDATE outbox SET sent_at = NULL, attempts = attempts + 1, last_error = refused.why,
        not_before = CASE WHEN attempts + 1 >= {MOST_TRIES} THEN not_before
            ELSE now() + make_interval(secs => least({LONGEST_REFUSAL}, 2 ^ least(attempts, 20))) END,
        parked_at = CASE WHEN attempts + 1 >= {MOST_TRIES} THEN now() END
    FROM unnest(CAST(:ids AS bigint[]), CAST(:whys AS text[])) AS refused (id, why)
    WHERE outbox.id = refused.id
    RETURNING outbox.id, outbox.parked_at IS NOT NULL
    """  # noqa: S608  # our own constants
)


@dataclass(slots=True)
class DueMessage:
    """An outbox row that is to be published now.

    `senders`: see `Outbox.senders`; None if there are none. `copies`: further routing keys of an event.
    `traceparent`: what it was caused by, if that is known.
    """

    id: int
    event_id: str
    exchange: str
    routing_key: str
    text: str
    mandatory: bool = True
    senders: Sequence[str] | None = None
    traceparent: str | None = None
    copies: Sequence[str] = ()

    @property
    def is_event(self) -> bool:
        """True for an event, False for a message to a queue of ours."""
        return self.exchange == EVENTS

    @property
    def body(self) -> dict[str, Any]:
        """The body, read anew each time."""
        found: dict[str, Any] = json.loads(self.text)
        return found


@dataclass(frozen=True)
class Batch:
    """Due messages in the order of their ids, and what the relay has to know besides.

    `next_in`: seconds until the next row falls due that was not due yet; None without any. `has_senders`:
    whether any sender ever sent a command, so that events may concern one; `has_webhooks`: whether any is active;
    `has_routes`: whether there is any route of notices.
    """

    messages: list[DueMessage] = field(default_factory=list)
    next_in: float | None = None
    has_senders: bool = False
    has_webhooks: bool = False
    has_routes: bool = False

    @cached_property
    def events(self) -> list[DueMessage]:
        """The messages that are events."""
        return [each for each in self.messages if each.is_event]


def take_due(db: Session, most: int) -> Batch:
    """Mark up to `most` due rows as sent, those first that have been due longest, and return them.

    The transaction must not commit before the broker has confirmed them: see `give_back` and `refuse`. Rows that
    another relay has locked are skipped.
    """
    rows = db.execute(TAKE, {"most": most}).all()
    next_in, has_senders, has_webhooks, has_routes = rows[0][8:]
    return Batch(
        [DueMessage(*row[:8]) for row in rows if row[0] is not None],
        next_in,
        has_senders,
        has_webhooks,
        has_routes,
    )


def give_back(db: Session, ids: Collection[int]) -> None:
    """Make rows due again that were taken in this transaction, and did not go out."""
    if ids:
        db.execute(GIVE_BACK, {"ids": list(ids)})


def refuse(db: Session, whys: Mapping[int, str]) -> list[int]:
    """Record that the broker refused rows taken in this transaction, and why, by their ids.

    Each is due again after 1, 2, 4 … seconds, at most 5 minutes; after MOST_TRIES it is parked. Returns the ids of
    those parked now.
    """
    if not whys:
        return []
    refused = db.execute(REFUSE, {"ids": list(whys), "whys": list(whys.values())})
    return [row[0] for row in refused if row[1]]
