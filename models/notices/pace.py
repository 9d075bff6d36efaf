"""When the news of a route are told: gathered, less often the more of a kind there are, and not above its limit.

Pure functions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from certline.models.notices.kind import SEVERITIES, Severity
from certline.models.notices.news import DIGEST

# The time within which messages are counted.
HOUR = timedelta(hours=1)
# The least time from the last message about a kind to the next, after one, two, … of them within an hour: a storm
# that goes on is told less and less often, with its count.
PAUSES = (timedelta(0), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))
# Most news in one message; what is more comes in the next.
MOST_NEWS = 5_000


@dataclass(frozen=True)
class Waiting:
    """The news of one kind that wait to be told: when the first came, and the gravest severity among them."""

    kind: str
    since: datetime
    severity: Severity


@dataclass(frozen=True)
class NoticePlan:
    """News to be told now: kinds by message, in order; and when the next is due, None if nothing else waits."""

    messages: Sequence[Sequence[str]]
    next_at: datetime | None


def plan_at(
    now: datetime,
    waiting: Sequence[Waiting],
    told: Mapping[str, Sequence[datetime]],
    *,
    sent: Sequence[datetime],
    at_most: int | None,
    gather: timedelta,
) -> NoticePlan:
    """Decide which kinds are told now.

    `told`: when each kind was told within the last hour; `sent`: when any message was sent within it.
    """
    times = {each.kind: _due(each, told.get(each.kind, ()), gather) for each in waiting}
    due = [each for each in waiting if times[each.kind] <= now]
    later = [at for at in times.values() if at > now]
    left = len(due) if at_most is None else at_most - len(sent)
    if due and left <= 0:
        return NoticePlan([], min([*later, min(sent) + HOUR]) if later else min(sent) + HOUR)
    # The gravest first; if there are more kinds than messages, the last one sums up the rest.
    due.sort(key=lambda each: (-SEVERITIES.index(each.severity), each.since))
    kinds = [each.kind for each in due]
    alone = kinds if len(kinds) <= left else kinds[: left - 1]
    rest = kinds[len(alone) :]
    messages = [[kind] for kind in alone] + ([rest] if rest else [])
    return NoticePlan(messages, min(later, default=None))


def _due(waiting: Waiting, told: Sequence[datetime], gather: timedelta) -> datetime:
    if waiting.kind == DIGEST:
        return waiting.since
    first = waiting.since + gather
    if not told:
        return first
    return max(first, max(told) + PAUSES[min(len(told), len(PAUSES) - 1)])
