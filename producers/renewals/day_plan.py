"""The plan of all renewals, made a few certificates at a time: stored on each certificate, or only shown."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as at_time
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from certline.models import Account, Database
from certline.models.database.session import clock
from certline.models.renewals.plan import drop_marks, note_days, renewed_on, selected_of
from certline.models.renewals.runs import take_pass
from certline.models.renewals.selection import AutoRenewSetting, settings_of_all
from certline.models.renewals.sequence import dropped_of, end_of_page, in_sequence, load_of
from certline.models.renewals.timing import Calendar, Span, span_of
from certline.producers.renewals.eligibility import NeededValidation, foreseen

# Certificates that are read at once, and whose days are stored in one transaction.
PIECE = 1_000
# Certificates in which those that are no longer selected are looked for with one statement.
PAGE = 20_000
# Seconds between two tries while another process plans.
AGAIN = 0.2

# Called with the number of certificates planned so far, and of all.
Tell = Callable[[int, int], object]


class Planned(NamedTuple):
    """A certificate with the day of its renewal; `objection`: why the renewal would be refused that day; `remark`:
    what will differ from the present certificate; `validation`: what has to be validated for it before.
    """

    day: date
    account: str
    certificate_id: str
    common_name: str
    not_after: datetime
    wanted: date
    objection: str | None
    remark: str | None = None
    validation: NeededValidation | None = None


@dataclass
class LookAhead:
    """The plan of all accounts. `near`: the renewals up to the last day that was asked for; `next`: the first day
    after it with renewals, and the common names; `late`: certificates that the cap makes later than wanted;
    `spans`: of all certificates, if they were asked for.
    """

    today: date
    selected: int = 0
    going: int = 0
    late: int = 0
    near: list[Planned] = field(default_factory=list)
    next: tuple[date, list[str]] | None = None
    spans: list[Span] = field(default_factory=list)


def span_of_row(row: Any) -> Span:
    """Return the dates of a row of `in_sequence`."""
    return span_of(row.id, row.line_id, row.not_before, row.not_after, row.days)


def changed_days(
    rows: Sequence[Any], days: Mapping[str, date], waits: Mapping[str, datetime]
) -> dict[str, datetime | None]:
    """Return when certificates will be renewed, where that is not stored: the planned day at 00:00 UTC, or None.

    `waits`: the times of certificates whose renewal failed and will be retried; they replace the planned day.
    """
    changed: dict[str, datetime | None] = {}
    for row in rows:
        day = days.get(row.id)
        at = waits.get(row.id)
        if at is None and day is not None:
            at = datetime.combine(day, at_time(), UTC)
        if not row.auto_renew or row.renews_at != at:
            changed[row.id] = at
    return changed


def plan_anew(database: Database, tell: Tell = lambda _done, _of: None) -> int:
    """Store on each certificate whether it is selected, and on which day it will be renewed. Returns how many are.

    Each piece is a transaction of its own, and stores only what changes: whoever is killed meanwhile has stored
    a part, and the next plan, at the latest that of the daily run, stores the rest. Waits while another process
    plans.
    """
    while True:
        with database.transaction() as reader:
            if take_pass(reader):
                return _plan_all(database, reader, tell)
        time.sleep(AGAIN)


def _plan_all(database: Database, reader: Session, tell: Tell) -> int:
    done = 0
    settings = settings_of_all(reader)
    loads = [load_of(reader, setting) for setting in settings]
    total = sum(load.selected for load in loads)
    for setting, load in zip(settings, loads, strict=True):
        cap = load.cap(setting)
        for rows, days in _days_of(reader, setting, cap, in_pieces(reader, setting, load)):
            changed = changed_days(rows, days if setting.enabled else {}, {})
            if changed:
                with database.transaction() as db:
                    note_days(db, setting, changed)
            done += len(rows)
            tell(done, total)
        drop_the_rest(database, setting)
    return done


def drop_the_rest(database: Database, setting: AutoRenewSetting) -> None:
    """Clear the marks of an account's certificates that are no longer selected, a piece at a time."""
    after: str | None = ""
    while after is not None:
        with database.transaction() as db:
            until = end_of_page(db, after, PAGE)
            dropped = dropped_of(db, setting, (after, until), PIECE)
            drop_marks(db, dropped)
        if len(dropped) < PIECE:
            after = until


def look_ahead(
    db: Session, days: int, *, with_spans: bool = False, tell: Tell = lambda _done, _of: None
) -> LookAhead:
    """Return the plan of the accounts, including those with auto-renewal switched off. Stores nothing."""
    ahead = LookAhead(clock(db).astimezone(UTC).date())
    last = ahead.today + timedelta(days=days - 1)
    settings = settings_of_all(db)
    loads = [load_of(db, setting) for setting in settings]
    total = sum(load.selected for load in loads)
    for setting, load in zip(settings, loads, strict=True):
        pieces = in_pieces(db, setting, load)
        for rows, planned in _days_of(db, setting, load.cap(setting), pieces):
            _look_at(ahead, rows, planned, last, with_spans=with_spans)
            near = {own_id for own_id, day in planned.items() if day <= last}
            ahead.near += _foreseen(db, setting, near, planned)
            tell(ahead.selected, total)
    return ahead


def in_pieces(db: Session, setting: AutoRenewSetting, load: Any) -> Iterator[Sequence[Any]]:
    """Yield all of an account's selected certificates in the sequence of planning."""
    today = clock(db).astimezone(UTC).date()
    return in_sequence(db, setting, load, today, piece=PIECE)


def _days_of(
    db: Session, setting: AutoRenewSetting, cap: int, pieces: Iterator[Sequence[Any]]
) -> Iterator[tuple[Sequence[Any], dict[str, date]]]:
    """Yield each piece with the days of its certificates; those being renewed have none."""
    today = clock(db).astimezone(UTC).date()
    # Today's room under the cap is reduced by the renewals of earlier runs today.
    calendar = Calendar(today, cap, {today: renewed_on(db, setting.account_id, today)})
    for rows in pieces:
        yield rows, {row.id: calendar.take(span_of_row(row)) for row in rows if not row.is_going}


def _look_at(
    ahead: LookAhead,
    rows: Sequence[Any],
    planned: Mapping[str, date],
    last: date,
    *,
    with_spans: bool,
) -> None:
    spans = {row.id: span_of_row(row) for row in rows}
    ahead.selected += len(rows)
    ahead.going += len(rows) - len(planned)
    ahead.spans += spans.values() if with_spans else ()
    for row in rows:
        day = planned.get(row.id)
        if day is None:
            continue
        ahead.late += day > max(spans[row.id].wanted, ahead.today)
        if day > last and (ahead.next is None or day <= ahead.next[0]):
            same = ahead.next is not None and day == ahead.next[0]
            ahead.next = (day, [*(ahead.next[1] if same and ahead.next else ()), row.common_name])


def _foreseen(
    db: Session, setting: AutoRenewSetting, near: Collection[str], planned: Mapping[str, date]
) -> Iterator[Planned]:
    if not near:
        return
    account = db.get_one(Account, setting.account_id)
    soon = selected_of(db, setting, near)
    ahead = foreseen(db, account, soon, planned)
    for each in soon:
        yield Planned(
            planned[each.id],
            account.name,
            each.id,
            each.common_name,
            each.not_after,
            each.span.wanted,
            ahead.refused.get(each.id),
            ahead.remarks.get(each.id),
            ahead.validations.get(each.id),
        )
