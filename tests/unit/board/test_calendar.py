"""Tests of the calendar's text and of its heat map."""

from datetime import UTC, date, datetime

import pytest

from certline.board.pages.calendar.heat_map import DayNumbers, months_of
from certline.board.pages.calendar.icalendar import (
    CalendarEvent,
    calendar_text,
    escaped,
    folded,
)

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.mark.parametrize("text", ["x" * 74, "x" * 75, "x" * 76, "ü" * 200, "x" + "😀" * 100, ""])
def test_a_line_is_folded_between_characters_and_can_be_unfolded(text: str) -> None:
    lines = list(folded(text))

    assert all(len(line.encode()) <= 75 for line in lines)
    assert "".join([lines[0], *(line.removeprefix(" ") for line in lines[1:])]) == text


def test_what_a_name_contains_cannot_end_a_value_or_begin_an_event() -> None:
    assert escaped("a,b;c\\d\r\nEND:VEVENT\x00") == "a\\,b\\;c\\\\d\\nEND:VEVENT"


def test_an_event_lasts_one_day_and_keeps_nobody_busy() -> None:
    event = CalendarEvent("ends-2026-12-31@board", date(2026, 12, 31), "1 ends", "x", "http://b/")

    lines = calendar_text("certline", NOON, [event]).split("\r\n")

    assert "DTSTART;VALUE=DATE:20261231" in lines
    assert "DTEND;VALUE=DATE:20270101" in lines
    assert "DTSTAMP:20261128T120000Z" in lines
    assert "TRANSP:TRANSPARENT" in lines


def test_a_heat_map_has_each_day_of_its_months_once_in_weeks_from_monday() -> None:
    numbers = DayNumbers({date(2026, 12, 1): 3}, {date(2027, 1, 4): 1}, {}, frozenset())

    months = months_of(numbers, date(2026, 11, 28), date(2027, 1, 10))

    assert [month.first for month in months] == [
        date(2026, 11, 1),
        date(2026, 12, 1),
        date(2027, 1, 1),
    ]
    assert [len([each for week in month.weeks for each in week if each]) for month in months] == [
        30,
        31,
        31,
    ]
    for month in months:
        for week in month.weeks:
            assert len(week) == 7
            assert all(each.day.weekday() == at for at, each in enumerate(week) if each)
    assert [month.ends for month in months] == [0, 3, 0]


def test_the_busiest_day_is_the_darkest_and_a_day_outside_the_year_has_nothing() -> None:
    first, busy, few = date(2026, 12, 1), date(2026, 12, 8), date(2026, 12, 9)
    numbers = DayNumbers({busy: 100, few: 1, date(2026, 12, 31): 5}, {}, {}, frozenset({busy}))

    (month,) = months_of(numbers, first, date(2026, 12, 30))

    heat = {each.day: each for week in month.weeks for each in week if each}
    assert (heat[busy].heat, heat[few].heat, heat[first].heat) == (5, 1, 0)
    assert heat[busy].is_cliff
    assert heat[date(2026, 12, 31)].in_words == "nothing"
    assert heat[busy].in_words == "100 end"
