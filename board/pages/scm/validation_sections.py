"""Sections about a domain's validations: the newest one as far as it has come, and those before it."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from certline.board.detail.sections import FactList, Grid, Remark, Section, shown
from certline.board.web import links
from certline.board.web.cells import GOOD, QUIET, TROUBLE, WAITS, Badge, Cell, Code, Moment, Name
from certline.models import Validation
from certline.models.domains.detail import DomainDetail
from certline.models.states import ValidationOutcome, ValidationStage

TONES = {
    ValidationOutcome.VALIDATED: GOOD,
    ValidationOutcome.NOT_NEEDED: QUIET,
    ValidationOutcome.FAILED: TROUBLE,
}


def validation_sections(found: DomainDetail) -> Iterator[Section]:
    """Yield what a page says about the validations of a domain that certline has begun."""
    if not found.validations:
        yield Remark("certline has not validated it yet.")
        return
    newest, *earlier = found.validations
    if newest.to_do is not None:
        yield Remark(newest.to_do, urgent=True)
    is_open = newest.stage is not ValidationStage.ENDED
    head = "Validation under way" if is_open else "Newest validation"
    yield FactList(_facts(newest, found.next_try), head)
    if earlier:
        yield _earlier(earlier)


def _facts(row: Validation, next_try: datetime | None) -> list[tuple[str, Cell]]:
    ended = row.stage is ValidationStage.ENDED
    return [
        ("Outcome", None if row.outcome is None else _outcome(row)),
        ("Why", Name(row.error)),
        ("Stage", None if ended else Badge(row.stage.value, WAITS)),
        ("Since", None if ended else Moment(row.stage_since, far=True)),
        ("Waits for", shown(row.waits_for)),
        ("Waits until", Moment(row.waits_until, far=True)),
        ("Next attempt", Moment(next_try, far=True)),
        ("Attempts of this stage", None if ended else row.tries),
        ("Method", row.method.value),
        ("Mail to", Name(row.email)),
        ("Put in place by", _by_whom(row)),
        ("Expected at", Code(row.proof_name)),
        ("Expected", Code(row.proof_value)),
        ("Written at", Code(None if row.proof_at == row.proof_name else row.proof_at)),
        ("Found", Name(row.said)),
        ("Begun", Moment(row.begun_at, far=True)),
        ("Put in place", Moment(row.published_at)),
        ("Seen", Moment(row.seen_at)),
        ("Submitted", Moment(row.submitted_at)),
        ("Ended", Moment(row.ended_at)),
        ("Ends", Moment(row.expires, far=True)),
        ("Requested by", Name(row.requested_by)),
        ("Command", Code(row.command_id, links.command(row.command_id))),
    ]


def _by_whom(row: Validation) -> Cell:
    if row.by_hand:
        return "a person" if row.dns is None else Name(f"a person ({row.dns})")
    return Name(row.dns)


def _outcome(row: Validation) -> Badge:
    if row.outcome is None:
        return Badge(row.stage.value, WAITS)
    return Badge(row.outcome.value.replace("_", " "), TONES[row.outcome])


def _earlier(rows: Sequence[Validation]) -> Grid:
    cells: list[list[Cell]] = [
        [
            Moment(row.begun_at),
            row.method.value,
            _outcome(row),
            Moment(row.expires),
            Name(row.error or row.said),
            Code(row.command_id, links.command(row.command_id)),
        ]
        for row in rows
    ]
    columns = ["Begun", "Method", "Outcome", "Ends", "Said", "Command"]
    return Grid("Earlier validations", columns, cells, "")
