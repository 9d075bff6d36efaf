"""The overview of renewals: settings, rules, the last runs and the last batches."""

from collections.abc import Sequence
from datetime import datetime

from certline.board.detail.sections import FactList, Grid, Remark, Section, grid_of, shown, thing
from certline.board.pages.renewals.batches import COLUMNS as BATCH_COLUMNS
from certline.board.pages.renewals.batches import START
from certline.board.pages.renewals.decisions import ENABLE
from certline.board.pages.renewals.runs import COLUMNS as RUN_COLUMNS
from certline.board.pages.renewals.runs import NEVER, run_documents
from certline.board.web import links
from certline.board.web.cells import Badge, Cell, Code, Link, Moment, Name
from certline.board.web.commands import Suggestion, typed
from certline.board.web.page import Page, View
from certline.board.web.page_request import PageRequest
from certline.models import AutoRenewRule, AutoRenewSetting, Schedule
from certline.models.accounts.account import accounts_shown
from certline.models.documents.projection import instant
from certline.models.documents.renewal import BatchDocument, rule_document
from certline.models.renewals.batch import batch_page
from certline.models.renewals.batch_state import standing_of
from certline.models.renewals.decision_list import run_page
from certline.models.renewals.runs import seconds_since_good_run
from certline.models.renewals.selection import auto_renew_rules, auto_renew_settings

# Runs and batches that are shown; all their decisions and members are counted.
MOST_RUNS, MOST_BATCHES = 10, 5
SELECT = Suggestion(
    "Select certificates, present and future", typed("auto-renew", "select", "--all")
)


def renewals(asked: PageRequest) -> View:
    """Return the overview of renewals."""
    db = asked.db
    names = {row.id: row.name for row in accounts_shown(db)}
    settings, rules = auto_renew_settings(db), auto_renew_rules(db)
    runs = run_documents(db, run_page(db, after=None, limit=MOST_RUNS))
    batches = [
        BatchDocument.of(standing_of(db, each))
        for each in batch_page(db, after=None, limit=MOST_BATCHES)
    ]
    schedule, seconds = db.get(Schedule, "auto-renew"), seconds_since_good_run(db)
    next_due = None if schedule is None else schedule.next_due
    is_on = any(setting.enabled for setting in settings)
    facts: list[tuple[str, Cell]] = [
        ("Automatic renewal", Badge("on" if is_on else "off")),
        ("Next run", Moment(next_due, far=True)),
        ("Last run that ended", Moment(_last_end([run.ended_at for run in runs]), far=True)),
        ("Decisions", Link("What was decided, and why", links.DECISIONS)),
        ("Calendar", Link("What is renewed in the coming year", links.CALENDAR)),
    ]
    off = Remark("Automatic renewal is off: nothing is renewed unless somebody asks for it.")
    sections: list[Section] = [
        *([] if is_on else [off]),
        FactList(facts),
        _settings(settings, names),
        _rules(rules, names),
        grid_of(
            "Last runs",
            RUN_COLUMNS,
            runs,
            empty=NEVER.text,
            more_url=links.RUNS if runs else None,
            more="All runs",
            begin=NEVER.commands,
        ),
        grid_of(
            "Last batches",
            BATCH_COLUMNS,
            batches,
            empty="There are no batches yet.",
            more_url=links.BATCHES if batches else None,
            more="All batches",
            begin=[START],
        ),
    ]
    document = {
        "accounts": [_setting(each, names) for each in settings],
        "rules": [rule_document(rule, names) for rule in rules],
        "next_run_at": instant(next_due),
        "last_run": runs[0].as_dict() if runs else None,
        "seconds_since_good_run": None if seconds is None else round(seconds),
    }
    return thing(
        "Renewals",
        "",
        sections,
        document,
        commands=[
            ENABLE._replace(purpose="Switch it on, or change its days"),
            SELECT,
            Suggestion("See the plan", typed("auto-renew", "plan")),
            Suggestion("Run it now", typed("auto-renew", "run")),
        ],
    )


def _last_end(ends: Sequence[datetime | None]) -> datetime | None:
    return next((end for end in ends if end is not None), None)


def _settings(rows: Sequence[AutoRenewSetting], names: dict[int, str]) -> Grid:
    cells: list[list[Cell]] = [
        [
            Name(names[row.account_id], links.account(names[row.account_id])),
            Badge("on" if row.enabled else "off"),
            row.days,
            row.cap_per_day or "twice the even load",
            Name(row.changed_by),
            Moment(row.changed_at),
        ]
        for row in rows
    ]
    heads = ["Account", "On", "Days before the end", "At most a day", "Changed by", "Changed"]
    return Grid("Settings", heads, cells, "It was never switched on.", begin=[ENABLE])


def _rules(rows: Sequence[AutoRenewRule], names: dict[int, str]) -> Grid:
    cells: list[list[Cell]] = [
        [
            Code(row.id),
            "all" if row.account_id is None else Name(names[row.account_id]),
            "all" if row.organization_id is None else Code(str(row.organization_id)),
            "all" if row.profile_id is None else Code(str(row.profile_id)),
            shown(row.name or "all"),
            Name(row.created_by),
            Moment(row.created_at),
        ]
        for row in rows
    ]
    return Grid(
        "Rules that select certificates",
        ["Rule", "Account", "Organisation", "Profile", "Name", "By", "Since"],
        cells,
        "There are no rules: only certificates that were selected one by one are renewed.",
        begin=[SELECT],
    )


def _setting(row: AutoRenewSetting, names: dict[int, str]) -> dict[str, object]:
    """Return a setting as `auto-renew show` does, but for the numbers of the plan, which take long to count."""
    return {
        "account": names[row.account_id],
        "enabled": row.enabled,
        "days": row.days,
        "cap_per_day": row.cap_per_day,
        "cap_is_named": row.cap_per_day is not None,
        "changed_by": row.changed_by or None,
        "changed_at": instant(row.changed_at),
    }


ROUTES = [Page(links.RENEWALS, renewals).route()]
