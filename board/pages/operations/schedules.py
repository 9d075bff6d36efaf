"""Schedules: the periodic jobs."""

from datetime import timedelta

from certline.board.detail.sections import Grid, thing
from certline.board.web import links
from certline.board.web.cells import TROUBLE, Badge, Cell, Code, Moment, Name
from certline.board.web.commands import Suggestion, typed
from certline.board.web.page import Page, View
from certline.board.web.page_request import PageRequest
from certline.models import Schedule
from certline.models.documents.schedule import ScheduleDocument
from certline.models.schedule import last_fired
from certline.models.schedule import schedules as all_schedules

# A producer that fires a long job may be late by some minutes.
LATE = timedelta(minutes=5)


def schedules(asked: PageRequest) -> View:
    """Return the list of schedules, with the next and the last run of each."""
    last, found = last_fired(asked.db), all_schedules(asked.db)

    def state_of(row: Schedule) -> Badge:
        is_late = row.enabled and row.next_due < asked.now - LATE
        return Badge("late", TROUBLE) if is_late else Badge("on" if row.enabled else "off")

    cells: list[list[Cell]] = [
        [
            Name(row.name),
            state_of(row),
            Code(row.cron),
            Name(row.tz),
            Moment(row.next_due if row.enabled else None, far=True),
            Moment(last.get(row.name), far=True),
            Code(typed("schedule", "run", row.name)),
        ]
        for row in found
    ]
    heads = ["Schedule", "Status", "Cron", "Zone", "Next", "Last", "To run it now"]
    init = Suggestion("Create the tables and schedules", typed("init"))
    return thing(
        "Schedules",
        "",
        [Grid("", heads, cells, "There are no schedules.", begin=[init])],
        [ScheduleDocument.of(row, last_fired_at=last.get(row.name)).as_dict() for row in found],
        commands=[
            Suggestion(
                "Change when one runs", typed("schedule", "set", "NAME", "--cron", "30 5 * * *")
            ),
            Suggestion("The same list", typed("schedule", "list")),
        ],
    )


ROUTES = [Page(links.SCHEDULES, schedules).route()]
