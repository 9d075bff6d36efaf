"""Checks of the settings, of RabbitMQ with its queues, and of Postgres with its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certline.cli import context
from certline.cli.checks.result import Finding
from certline.models.server_url import without_password
from certline.models.states import Queue

if TYPE_CHECKING:
    from certline.models.settings import Settings
    from certline.producers.messaging.nodes import NodeState
    from certline.producers.messaging.queues import QueueState


def check_settings(settings: Settings) -> Finding:
    """Check that an unknown outcome rests for longer than sending an order may take."""
    from certline.models.settings import unknown_variables
    from certline.producers.processes import grace

    where = f"embedded in {settings.home}" if settings.embedded else "your own servers"
    unknown = unknown_variables()
    if unknown:
        said = f"{where}; not a setting of certline: {', '.join(unknown)}"
        return Finding("settings", True, said, "unset it, or see docs/settings.md for its name")
    longest = grace(settings)
    if settings.settle_seconds < longest:
        short = f"CERTLINE_SETTLE_SECONDS={settings.settle_seconds} is too short for production"
        advice = f"sending may take {longest:.0f} s; an order looked up sooner may be sent twice"
        return Finding("settings", True, f"{where}; {short}", advice)
    return Finding("settings", True, where)


def check_rabbitmq() -> Finding:
    """Check that RabbitMQ answers, each of its nodes, and that it takes messages."""
    from certline.producers.messaging.nodes import node_states
    from certline.producers.processes import reach_rabbit

    settings = context.settings()
    reach_rabbit(settings)
    return judge_nodes(node_states(settings), quorum=settings.queue_type == "quorum")


def judge_nodes(states: list[NodeState], *, quorum: bool) -> Finding:
    """Return the finding about RabbitMQ's nodes, of which one answers; `quorum`: the type of our queues."""
    said = ";".join(state.url for state in states)
    alarms = sorted({state.alarm for state in states if state.alarm is not None})
    if alarms:
        advice = (
            "what is to be published waits in Postgres, and goes out when the alarm is over; "
            "`rabbitmq-diagnostics alarms` on a node says which node needs memory or disk space"
        )
        return Finding(
            "RabbitMQ", False, f"an alarm blocks it ({', '.join(alarms)}): {said}", advice
        )
    away = tuple(f"{state.url} {state.fault}" for state in states if state.fault is not None)
    if away:
        said = f"{len(states) - len(away)} of {len(states)} nodes answer: {said}"
        return Finding("RabbitMQ", True, said, "the parts use the others until it is back", away)
    if len(states) > 1 and not quorum:
        advice = (
            "the queues of a node that is down are down with it; see docs/rabbitmq.md on clusters"
        )
        return Finding("RabbitMQ", True, f"{said}; CERTLINE_QUEUE_TYPE is not quorum", advice)
    return Finding("RabbitMQ", True, said)


def check_queues() -> Finding:
    """Check that RabbitMQ has every queue, and that each has a consumer."""
    from certline.producers.messaging.queues import queue_states

    return judge_queues(queue_states(context.settings()))


def judge_queues(states: list[QueueState]) -> Finding:
    """Return the finding about the queues, given their state."""
    from certline.models.events.outbox import INGRESS

    details = tuple(_line(state) for state in states)
    missing = [state.name for state in states if not state.exists]
    if missing:
        said = f"missing at RabbitMQ: {', '.join(missing)}"
        advice = (
            "a relay declares them, and publishes again what was lost with them: certline run relay"
        )
        return Finding("queues", False, said, advice, details)
    # Without deploy hooks no worker needs to take their queue; the check of the parts knows whether there are any.
    optional = {Queue.HOOK.value}
    idle = [
        state
        for state in states
        if not state.consumers and (state.messages or state.name not in optional)
    ]
    if idle:
        said = f"nobody takes messages from {', '.join(map(_waiting, idle))}"
        parts = {"ingress" if state.name == INGRESS else "worker" for state in idle}
        advice = " and ".join(f"certline run {part}" for part in sorted(parts, reverse=True))
        return Finding("queues", False, said, advice, details)
    total = sum(state.messages for state in states)
    unused = [state.name for state in states if not state.consumers]
    served = (
        f"each with a consumer, but for {', '.join(unused)}" if unused else "each with a consumer"
    )
    return Finding("queues", True, f"{len(states)}, {served}; {total} messages wait")


def check_postgres() -> Finding:
    """Check that Postgres answers."""
    from sqlalchemy import text

    with context.database().transaction() as db:
        version = db.scalars(text("SHOW server_version")).one()
        is_read_only = db.scalars(text("SHOW transaction_read_only")).one() == "on"
    said = f"{version} at {without_password(context.database().url)}"
    if is_read_only:
        advice = "name all hosts in CERTLINE_DATABASE_URL, with ?target_session_attrs=read-write"
        return Finding("Postgres", False, f"{said}; it is read-only, maybe a standby", advice)
    if context.database().goes_through_bouncer():
        said += "; through PgBouncer"
        if context.settings().direct_url is None:
            said += (
                ", so the relay looks twice a second (CERTLINE_DATABASE_DIRECT_URL has it woken)"
            )
    return Finding("Postgres", True, said)


def check_tables() -> Finding:
    """Check that the tables are those of this version."""
    from certline.models.database.app_role import own_standing
    from certline.models.database.migrate import behind

    if behind(context.database()):
        return Finding("tables", False, "not those of this version", "certline init")
    with context.database().engine.connect() as connection:
        own = own_standing(connection)
    said = "those of this version"
    if own.owns and not context.settings().embedded:
        # No fault: an installation with a single role works, and may have reasons.
        said += f"; {own.role} owns them and could change the audit log (certline init --app-role)"
    return Finding("tables", True, said)


def check_recovery() -> Finding:
    """Check that no recovery is in progress, and that a restore would be noticed."""
    from certline.models.restore.recovery import is_compared, recovery_of
    from certline.models.server.identity import ServerIdentity

    with context.database().transaction() as db:
        row = recovery_of(db)
        was_compared = is_compared(db)
    if row.in_progress:
        said = f"nothing is ordered, because the database was restored: {row.why}"
        return Finding("recovery", False, said, "certline recover --status")
    if not was_compared:
        return _judge_uncompared(was_kept=row.witness_kept)
    untold = ServerIdentity(row.cluster, row.timeline, row.database).untold()
    if untold:
        said = f"this login may not call {' and '.join(untold)}: not each restore is noticed"
        advice = "allow it, or type `certline recover` after a restore (docs/backup.md)"
        return Finding("recovery", True, said, advice)
    if (what_to_do := _advice_on_witness()) is not None:
        said = "none in progress; a snapshot that is put back would not be noticed: nothing keeps a witness of it"
        return Finding("recovery", True, said, what_to_do)
    return Finding("recovery", True, "none in progress; a restore would be noticed")


def _judge_uncompared(*, was_kept: bool) -> Finding:
    """Return the finding while orders wait for a relay; `was_kept`: the database knows of a witness."""
    from certline.models.restore.recovery import UNCOMPARED
    from certline.producers.witness.store import HELD_FOR

    said, advice = UNCOMPARED, "a relay does so as soon as it runs"
    is_gone = was_kept and _is_witness_missing()
    if is_gone:
        said += "; RabbitMQ has none, although one was kept"
        advice = (
            f"{advice}; if the witness does not come back within {HELD_FOR:.0f} s, SCM is compared. If the "
            "data are surely the newest: certline recover --accept"
        )
    return Finding("recovery", not is_gone, said, advice)


def _advice_on_witness() -> str | None:
    """Return what to do if RabbitMQ answers and has no witness, or nothing keeps one; else None."""
    settings = context.settings()
    if settings.rabbitmq_url is None:
        # Of the embedded Postgres it is a file; beside another one, there is no place for it.
        by_hand = "after a restore, before the parts are started: certline recover"
        return None if settings.embedded else by_hand
    by_relay = (
        "a relay keeps it, if RabbitMQ permits it the queue certline.witness (docs/backup.md)"
    )
    return by_relay if _is_witness_missing() else None


def _is_witness_missing() -> bool:
    """Return True if RabbitMQ is used, and answers that it has no witness."""
    from certline.producers.messaging.queues import NoAnswerError, has_witness

    settings = context.settings()
    if settings.rabbitmq_url is None:
        return False
    try:
        return not has_witness(settings)
    except NoAnswerError:
        return False  # the check of RabbitMQ says so


def _waiting(state: QueueState) -> str:
    return f"{state.name} ({state.messages} waiting)" if state.messages else state.name


def _line(state: QueueState) -> str:
    if not state.exists:
        return f"{state.name}: missing"
    return f"{state.name}: {state.messages} waiting, {state.consumers} consumers"
