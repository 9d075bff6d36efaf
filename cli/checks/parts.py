"""Check of the running parts: that all that are needed run, are healthy, and have the same secret key."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from certline.cli import context
from certline.cli.checks.result import Finding
from certline.models.documents.overview import PartDocument
from certline.models.documents.projection import minute
from certline.models.states import Queue

if TYPE_CHECKING:
    from certline.models import Heartbeat
    from certline.models.heartbeat import Part

# The parts that every installation needs; with RabbitMQ also an ingress, which collects dead letters as well.
NEEDED = ("worker", "relay", "producer")


def check_parts() -> Finding:
    """Check the heartbeats of the parts."""
    from certline.models.certificates.deploy_hook import hooks
    from certline.models.commands.backlog import oldest_queued
    from certline.models.events.outbox import outbox_backlog
    from certline.models.heartbeat import running_parts, stale_parts

    with context.database().transaction() as db:
        running, stale = running_parts(db), stale_parts(db)
        waits = bool(oldest_queued(db)) or bool(outbox_backlog(db)[0])
        unused = set() if hooks(db) else {Queue.HOOK.value}
    return judge_parts(
        running,
        stale,
        waits=waits,
        over_rabbitmq=context.settings().rabbitmq_url is not None,
        unused=unused,
    )


def judge_parts(
    running: Sequence[Heartbeat],
    stale: Sequence[Heartbeat],
    *,
    waits: bool,
    over_rabbitmq: bool,
    unused: Collection[str] = (),
) -> Finding:
    """Return the finding about the parts, given their heartbeats and whether work waits.

    `unused`: names of queues that no worker needs to take, such as that of deploy hooks where there are none.
    """
    from certline.models.heartbeat import Part, queues_in, roles_in

    details = tuple(_line(row) for row in running) + tuple(_stale_line(row) for row in stale)
    roles = roles_in(running)
    needed = [Part(name) for name in NEEDED] + ([Part.INGRESS] if over_rabbitmq else [])
    missing = [part for part in needed if part not in roles]

    def finding(said: str, advice: str | None, *, ok: bool = False) -> Finding:
        return Finding("parts", ok, said, advice, details)

    gone = [row for row in stale if roles_in([row]) & set(missing)]
    if missing and (over_rabbitmq or waits or running or gone):
        said = f"not running: {', '.join(missing)}"
        if gone:
            said += f"; no longer seen: {', '.join(row.place for row in gone)}"
        return finding(said, _starting(missing, alone=not over_rabbitmq and not running))
    if missing:
        return finding("none runs at present; no work waits", "certline up", ok=True)
    idle = sorted({queue.value for queue in Queue} - queues_in(running) - set(unused))
    if idle:
        names = " ".join(queue.removeprefix("certline.") for queue in idle)
        advice = f"certline run worker --queues {names.replace(' ', ',')}"
        return finding(f"no worker takes {', '.join(idle)}", advice)
    sick = [f"{row.place}: {row.fault}" for row in running if row.fault]
    if sick:
        return finding(
            "; ".join(sick), "its log says more; a restart with the right settings helps"
        )
    newest = {row.keys[0] for row in running if row.keys}
    if len(newest) > 1:
        said = f"they encrypt with different keys: {', '.join(sorted(newest))}"
        return finding(said, "give all parts the same CERTLINE_SECRET_KEY, and restart them")
    if stale and waits:
        said = f"no longer seen, while work waits: {', '.join(row.place for row in stale)}"
        return finding(said, "start it again; its entry is dropped after an hour")
    return finding(*_summary(running), ok=True)


def parts_document() -> list[PartDocument]:
    """Return every known process for the JSON document."""
    from certline.models.heartbeat import running_parts, stale_parts

    with context.database().transaction() as db:
        found = [PartDocument.of(row) for row in running_parts(db)]
        found += [PartDocument.of(row, stale=True) for row in stale_parts(db)]
    return found


def _summary(running: Sequence[Heartbeat]) -> tuple[str, str | None]:
    counts: dict[str, int] = {}
    for row in running:
        counts[row.part] = counts.get(row.part, 0) + 1
    said = ", ".join(f"{count} {part}" for part, count in counts.items())
    versions = sorted({row.version for row in running})
    if len(versions) > 1:
        advice = "finish the upgrade: restart the older ones"
        return f"{said}, of different versions: {', '.join(versions)}", advice
    return f"{said}, of version {', '.join(versions)}", None


def _starting(missing: Sequence[Part], *, alone: bool) -> str:
    if alone:
        return "certline up"
    return " and ".join(f"certline run {part}" for part in missing)


def _line(row: Heartbeat) -> str:
    all_queues = set(row.queues) == {queue.value for queue in Queue}
    queues = "all queues" if all_queues else ", ".join(row.queues)
    return ", ".join(
        filter(
            None,
            [
                row.place,
                f"version {row.version}",
                f"key {', '.join(row.keys)}" if row.keys else "no secret key (it needs none)",
                queues,
                f"since {minute(row.since)} UTC",
            ],
        )
    )


def _stale_line(row: Heartbeat) -> str:
    return f"{row.place}, last seen at {minute(row.seen_at)} UTC"
