"""Lists of auto-renewal: its runs and its decisions page by page, the newest first, however many there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, literal, or_, select, tuple_
from sqlalchemy.orm import Session

from certline.models.commands.command import Command
from certline.models.database.patterns import like
from certline.models.renewals.runs import OUTCOME, AutoRenewDecision, AutoRenewRun, Decided, decided
from certline.models.states import CommandStatus, CommandType, Decision


@dataclass(frozen=True)
class DecisionFilter:
    """Which decisions are listed; a filter that is None or empty does not apply.

    `decisions`: kinds, as of now: a renewal that has failed since counts as failed. `name`: a pattern of the
    common name, `*` for any characters. `since` is inclusive, `until` is not.
    """

    run: str | None = None
    decisions: Sequence[Decision] = ()
    certificate: str | None = None
    name: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def decision_page(
    db: Session, wanted: DecisionFilter, *, after: str | None, limit: int
) -> list[Decided]:
    """Load a page of decisions with their outcomes, the newest first. `after`: the id of the last one before it.

    An id that is not known (any more) begins with the first page.
    """
    query = _narrowed(wanted)
    last = None if after is None else db.get(AutoRenewDecision, after)
    if last is not None:
        here = tuple_(AutoRenewDecision.decided_at, AutoRenewDecision.id)
        at = literal(last.decided_at, AutoRenewDecision.decided_at.type)
        query = query.where(here < tuple_(at, literal(last.id)))
    in_order = query.order_by(AutoRenewDecision.decided_at.desc(), AutoRenewDecision.id.desc())
    ids = list(db.scalars(in_order.limit(limit)))
    found = {each.row.id: each for each in decided(db, AutoRenewDecision.id.in_(ids))}
    return [found[own_id] for own_id in ids]


def run_page(db: Session, *, after: str | None, limit: int) -> list[AutoRenewRun]:
    """Load a page of runs, the newest first. `after`: the id of the last one before it, as in `decision_page`."""
    query = select(AutoRenewRun)
    last = None if after is None else db.get(AutoRenewRun, after)
    if last is not None:
        here = tuple_(AutoRenewRun.started_at, AutoRenewRun.id)
        at = literal(last.started_at, AutoRenewRun.started_at.type)
        query = query.where(here < tuple_(at, literal(last.id, AutoRenewRun.id.type)))
    in_order = query.order_by(AutoRenewRun.started_at.desc(), AutoRenewRun.id.desc())
    return list(db.scalars(in_order.limit(limit)))


def _narrowed(wanted: DecisionFilter) -> Select[str]:
    query = select(AutoRenewDecision.id)
    if wanted.run is not None:
        query = query.where(AutoRenewDecision.run_id == wanted.run)
    if wanted.certificate is not None:
        query = query.where(AutoRenewDecision.certificate_id == wanted.certificate)
    if wanted.name is not None:
        # Without the index of reversed names that other lists have: a pattern has a fixed beginning, or is slower.
        query = query.where(*like(AutoRenewDecision.common_name, wanted.name))
    if wanted.since is not None:
        query = query.where(AutoRenewDecision.decided_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(AutoRenewDecision.decided_at < wanted.until)
    return query if not wanted.decisions else _of_kinds(query, set(wanted.decisions))


def _of_kinds(query: Select[str], kinds: set[Decision]) -> Select[str]:
    """Restrict a query to kinds of decisions, as of now."""
    if kinds == {Decision.RENEWED, Decision.FAILED}:
        return query.where(AutoRenewDecision.decision.in_(kinds))
    if not kinds & {Decision.RENEWED, Decision.FAILED}:
        return query.where(AutoRenewDecision.decision.in_(kinds))
    if Decision.RENEWED in kinds:
        # Most of them are, so that a page is found by looking at few.
        joined = query.outerjoin(Command, Command.id == AutoRenewDecision.command_id)
        return joined.where(AutoRenewDecision.decision.in_(kinds), OUTCOME.in_(kinds))
    # Renewals that have failed are few: they are found from their commands.
    since = (
        select(AutoRenewDecision.id)
        .join(Command, Command.id == AutoRenewDecision.command_id)
        .where(
            Command.type == CommandType.RENEW,
            Command.status == CommandStatus.FAILED,
            AutoRenewDecision.decision == Decision.RENEWED,
        )
    )
    stated = select(AutoRenewDecision.id).where(AutoRenewDecision.decision.in_(kinds))
    return query.where(or_(AutoRenewDecision.id.in_(stated.union_all(since))))
