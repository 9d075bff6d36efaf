"""The overview as lines of text, each a list of pieces with their styles, at most as wide as the screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from certline.cli.ui.grid import GOOD, TROUBLE, WAITS
from certline.cli.ui.layout import begin, joined, natural, one_line, width_of
from certline.models.accounts.account import AccountStatus
from certline.models.documents.projection import age, second
from certline.models.overview.advice import command_of, text_of
from certline.models.overview.work import MOST_COUNTED
from certline.models.states import OrderStatus
from certline.workers.process.visible import visible

if TYPE_CHECKING:
    from certline.models.overview.snapshot import Snapshot

HEAD = "bold"
# Cells between two tables that stand side by side, and before what belongs to the line above.
GUTTER, INDENT = 4, 2
# Three of ASCII, which every terminal can show in as many cells.
DOTS = "..."
# Width of the names of the first lines.
NAMES = 10
# Statuses in which an order waits for a person.
BLOCKED = (OrderStatus.HELD, OrderStatus.REVIEW)


class Styled(NamedTuple):
    """A text in one style; both are as rich has them."""

    text: str
    style: str = ""


Line = list[Styled]


def lines_of(found: Snapshot, room: int) -> list[Line]:
    """Return the lines of a snapshot for a screen of that width in characters."""
    lines = [*_top(found), [], *_waiting(found, room), []]
    queues, orders = _queues(found), _orders(found)
    if max(map(_width, queues)) + GUTTER + max(map(_width, orders)) <= room:
        lines += _beside(queues, orders)
    else:
        lines += [*queues, [], *orders]
    lines += [[], *_parts(found)]
    return [_fitted(line, room) for line in lines]


def _top(found: Snapshot) -> Iterator[Line]:
    yield [Styled("certline top", HEAD), Styled(f"  {second(found.at)} UTC")]
    rate, errors = found.traffic.calls_per_second, found.traffic.errors_per_second
    if rate is None or errors is None:
        calls = [Styled("no calls told yet")]
    else:
        failing = Styled(f"{errors:.1f} of them failing", TROUBLE if errors else "")
        calls = [Styled(f"{rate:.1f} calls/s, "), failing]
    yield _named("SCM", calls)
    for breaker in found.breakers:
        rests = breaker.open_until is not None and breaker.open_until > found.at
        until = f"{second(breaker.open_until)} UTC" if rests else "a first call gets through"
        said = f"{breaker.url} is not called until {until}: {breaker.reason}"
        yield _named("", [Styled(said, TROUBLE)])
    yield _named("accounts", _accounts(found) or [Styled("none yet")])
    use = found.license
    licence = Styled(
        f"{use.used:,} of {use.capacity:,} lines in use", "" if use.available else TROUBLE
    )
    held = Styled(f", {use.held:,} held", TROUBLE if use.held else "")
    ends = f", ends in {use.days_left} days" if use.days_left is not None else ""
    yield _named("licence", [licence, held, Styled(ends)])
    outbox = found.outbox
    due = f"{_counted(outbox.due)} due, the oldest for {age(outbox.oldest_seconds)}"
    parked = Styled(f", {_counted(outbox.parked)} parked", TROUBLE if outbox.parked else "")
    yield _named("outbox", [Styled(due), parked])
    day = found.day.renewals
    refused = day.refused + day.refused_in_batches
    yield _named(
        "renewals",
        [
            Styled(f"24 h: {day.due:,} due, {day.done:,} done, {day.under_way:,} under way"),
            Styled(f", {day.failed:,} failed", TROUBLE if day.failed else ""),
            Styled(f", {refused:,} refused", TROUBLE if refused else ""),
            Styled(f", {day.held:,} held", WAITS if day.held else ""),
        ],
    )


def _named(name: str, pieces: Sequence[Styled]) -> Line:
    return [Styled(name.ljust(NAMES), HEAD), *pieces]


def _accounts(found: Snapshot) -> Line:
    counts = Counter(
        row.status for row in found.accounts if row.status is not AccountStatus.REMOVED
    )
    pieces: Line = []
    for status, count in sorted(counts.items()):
        comma = ", " if pieces else ""
        style = TROUBLE if status is AccountStatus.SUSPENDED else ""
        pieces.append(Styled(f"{comma}{count} {status.value}", style))
    return pieces


def _waiting(found: Snapshot, room: int) -> Iterator[Line]:
    matters = found.matters
    if not matters:
        yield [Styled("Nothing waits for a person.", GOOD)]
        return
    yield [Styled("WAITS FOR A PERSON", HEAD)]
    texts = [text_of(matter) for matter in matters]
    column = max(map(width_of, texts))
    for text, matter in zip(texts, matters, strict=True):
        command = command_of(matter)
        if INDENT + column + INDENT + width_of(command) <= room:
            padded = text + " " * (column - width_of(text) + INDENT)
            yield [Styled(" " * INDENT), Styled(padded, TROUBLE), Styled(command)]
        elif INDENT + width_of(text) + INDENT + width_of(command) <= room:
            yield [Styled(" " * INDENT), Styled(text + " " * INDENT, TROUBLE), Styled(command)]
        else:
            yield [Styled(" " * INDENT), Styled(text, TROUBLE)]
            yield [Styled(" " * 3 * INDENT), Styled(command)]


def _queues(found: Snapshot) -> list[Line]:
    least = "" if found.backlog.whole else " or more"
    rows = [
        (
            each.queue.value.removeprefix("certline."),
            f"{each.due:,}{least}",
            f"{each.running:,}{least}",
            age(each.oldest_seconds),
        )
        for each in found.backlog.queues
    ]
    return _table(("QUEUE", "DUE", "UNDER WAY", "OLDEST"), rows)


def _orders(found: Snapshot) -> list[Line]:
    rows = [
        (each.status.value, f"{each.count:,}", age(each.oldest_seconds)) for each in found.orders
    ]
    styles = [TROUBLE if each.count and each.status in BLOCKED else "" for each in found.orders]
    return _table(("ORDERS", "COUNT", "OLDEST"), rows, styles)


def _table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str] = ()
) -> list[Line]:
    """Return a table, with the columns after the first one to the right."""
    widths = natural([heads, *rows])
    lines: list[Line] = []
    for number, (first, *others) in enumerate((heads, *rows)):
        padded = [text.rjust(width) for text, width in zip(others, widths[1:], strict=True)]
        style = HEAD if not number else styles[number - 1] if styles else ""
        lines.append([Styled(joined([first, *padded], widths), style)])
    return lines


def _beside(left: Sequence[Line], right: Sequence[Line]) -> Iterator[Line]:
    column = max(map(_width, left)) + GUTTER
    for number in range(max(len(left), len(right))):
        one = left[number] if number < len(left) else []
        other = right[number] if number < len(right) else []
        yield [*one, Styled(" " * (column - _width(one))), *other]


def _parts(found: Snapshot) -> Iterator[Line]:
    counts = Counter(row.part for row in found.running)
    running = ", ".join(f"{count} {part}" for part, count in sorted(counts.items()))
    yield _named("parts", [Styled(running or "none runs", "" if running else TROUBLE)])
    for row in found.running:
        if row.fault:
            yield _named("", [Styled(f"{row.place}: {row.fault}", TROUBLE)])
    for row in found.stale:
        seen = age((found.at - row.seen_at).total_seconds())
        yield _named("", [Styled(f"stale: {row.place}, last seen {seen} ago", TROUBLE)])


def _counted(count: int) -> str:
    return f"{count:,}" + (" or more" if count >= MOST_COUNTED else "")


def _width(line: Line) -> int:
    return sum(width_of(piece.text) for piece in line)


def _fitted(line: Line, room: int) -> Line:
    """Return a line without what would steer a terminal; what does not fit is cut off, with dots in its place."""
    safe = [Styled(_safe(piece.text), piece.style) for piece in line]
    if _width(safe) <= room:
        return safe
    kept: Line = []
    left = room - len(DOTS)
    for text, style in safe:
        piece = Styled(begin(text, left), style)
        kept.append(piece)
        left -= width_of(piece.text)
        if piece.text != text:
            break
    return [*kept, Styled(DOTS)]


def _safe(text: str) -> str:
    """Return a text with its line ends as blanks, safe on a terminal; blanks at its ends stay."""
    return visible(text if "\n" not in text else one_line(text))
