"""Tests of what `certline top` shows: on any width, with the command to type for whatever waits."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console
from sqlalchemy.exc import OperationalError

from certline.cli.overview.lines import Line, lines_of
from certline.cli.overview.live import cropped, watch
from certline.cli.ui.layout import width_of
from certline.models import Account, AccountStatus, Breaker, Heartbeat, Queue
from certline.models.certificates.license import LicenseUse
from certline.models.documents.projection import age
from certline.models.overview.advice import WORDINGS, command_of, text_of
from certline.models.overview.matter import MOST, Matter, MatterKind
from certline.models.overview.renewals import DayOfRenewals
from certline.models.overview.snapshot import Day, ScmTraffic, Snapshot
from certline.models.overview.work import MOVING, Backlog, OrderLoad, OutboxLoad, QueueLoad
from certline.models.states import OrderStatus
from tests.unit.cli.tree import leaves

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
WIDEST_ID = "01M8FSN85G8DKFA06Y8TJXRDJZ"


def a_part(**changes: object) -> Heartbeat:
    usual: dict[str, object] = {
        "part": "worker",
        "host": "ada",
        "pid": 7,
        "seen_at": NOON - timedelta(minutes=5),
        "fault": None,
    }
    return Heartbeat(**usual | changes)


def a_snapshot(*matters: Matter, in_review: int = 0, **changes: object) -> Snapshot:
    """Return a snapshot of a busy installation; `changes`: fields that differ."""
    usual: dict[str, object] = {
        "at": NOON,
        "backlog": Backlog(
            tuple(QueueLoad(queue, 12_345, 1_234, 86_400.0 * 3) for queue in Queue), whole=True
        ),
        "outbox": OutboxLoad(3, 4.0, 0),
        "traffic": ScmTraffic(9.44, 0.0),
        "orders": tuple(
            OrderLoad(status, in_review if status is OrderStatus.REVIEW else 0, None)
            for status in MOVING
        ),
        "license": LicenseUse(capacity=1_000_000, used=999_000, held=0),
        "accounts": (Account(name="hafen", status=AccountStatus.ACTIVE),),
        "breakers": (),
        "running": (a_part(),),
        "stale": (),
        "day": Day(NOON, DayOfRenewals(1, 2, 3, 0, 0, 0, 0, 0), matters),
        "settle": timedelta(minutes=15),
    }
    return Snapshot(**usual | changes)  # type: ignore[arg-type]  # as many as there are fields


def texts(lines: list[Line]) -> list[str]:
    return ["".join(piece.text for piece in line) for line in lines]


EVERYTHING = a_snapshot(
    *(Matter(kind, MOST, WIDEST_ID) for kind in MatterKind),
    in_review=2,
    breakers=(
        Breaker(url="https://cert-manager.com/api", open_until=NOON, reason="no answer " * 20),
    ),
    stale=(a_part(host="a-very-long-host-name.department.nordhafen.example" * 3),),
)


@pytest.mark.parametrize("width", [30, 40, 60, 80, 120])
def test_no_line_is_wider_than_the_screen_and_every_command_is_whole(width: int) -> None:
    lines = texts(lines_of(EVERYTHING, width))

    assert [line for line in lines if width_of(line) > width] == []
    if width >= 60:
        shown = "\n".join(lines)
        assert all(command_of(matter) in shown for matter in EVERYTHING.matters)


def test_a_busy_installation_fits_the_smallest_usual_terminal() -> None:
    lines = lines_of(a_snapshot(in_review=2), 80)

    assert len(lines) <= 24
    assert "  2 orders in review  certline order list --status review" in texts(lines)
    assert texts(lines)[1] == "SCM       9.4 calls/s, 0.0 of them failing"


def test_every_line_can_be_shown_by_a_terminal_of_ascii() -> None:
    "\n".join(texts(lines_of(EVERYTHING, 80))).encode("ascii")


def test_without_trouble_it_says_that_nothing_waits() -> None:
    assert "Nothing waits for a person." in texts(lines_of(a_snapshot(), 80))


def test_what_comes_from_outside_cannot_steer_the_terminal() -> None:
    found = a_snapshot(breakers=(Breaker(url="https://scm", open_until=NOON, reason="\x1b[2J"),))

    assert "\x1b" not in "".join(texts(lines_of(found, 80)))


def test_a_short_screen_loses_empty_lines_first_and_says_what_is_left_out() -> None:
    lines = lines_of(EVERYTHING, 80)

    assert cropped(lines, len(lines)) == lines
    assert [] not in cropped(lines, len(lines) - 1)
    short = texts(cropped(lines, 10))
    assert len(short) == 10
    assert short[-1].endswith("more lines: certline top --json")


def test_each_kind_of_matter_has_words_and_a_command_that_exists() -> None:
    assert set(WORDINGS) == set(MatterKind)
    for kind in MatterKind:
        words = command_of(Matter(kind, 1, "x")).split()
        assert any(" ".join(words[:count]) in leaves() for count in (2, 3)), words


def test_a_name_with_blanks_is_quoted_in_the_command() -> None:
    suspended = Matter(MatterKind.ACCOUNT_SUSPENDED, 1, "hafen nord")

    assert text_of(suspended) == "1 account is suspended"
    assert command_of(suspended) == "certline account verify 'hafen nord'"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (345_600, "4 d")],
)
def test_ages_are_short(seconds: float | None, text: str) -> None:
    assert age(seconds) == text


def test_while_the_database_is_away_the_last_state_stays_with_a_line_that_says_so() -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=80, height=24)
    looks = iter(("there", "away", "away"))

    def look() -> Snapshot:
        match next(looks, "ends"):
            case "there":
                return a_snapshot(in_review=2)
            case "away":
                raise OperationalError("SELECT 1", {}, Exception("connection refused"))
        raise KeyboardInterrupt

    watch(screen, look, every=0.01)

    assert isinstance(screen.file, io.StringIO)
    said = screen.file.getvalue()
    assert "the database does not answer, trying again: connection refused" in said
    assert said.rindex("2 orders in review") > said.index("does not answer")
