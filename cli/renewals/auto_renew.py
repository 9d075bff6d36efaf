"""`certline auto-renew`: automatic renewal, its settings and its runs."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from certline.cli import context
from certline.cli.errors import NOTHING, WAITS, Fault
from certline.cli.parameters.number import Whole
from certline.cli.renewals.audit import audit
from certline.cli.renewals.plan import plan
from certline.cli.renewals.plan_progress import plan_progress
from certline.cli.renewals.select import deselect, select
from certline.cli.ui.grammar import Group
from certline.cli.ui.lookup import find_account
from certline.cli.ui.output import answer, as_json, facts, leave, say, table, whisper
from certline.models.documents.projection import instant, minute
from certline.models.documents.renewal import rule_document, run_document, setting_document
from certline.models.states import Decision

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from certline.models import Account
    from certline.models.renewals.runs import AutoRenewRun
    from certline.models.schedule import Schedule

# Seconds between two checks of a run that a producer is working on.
LOOK_EVERY = 0.2
# Seconds for which a run is continued before its progress is shown.
SLICE = 10.0
# The counts of a run that are shown, in this order.
COUNTED = ("due", *(decision.value for decision in Decision))


@click.group("auto-renew", cls=Group)
def auto_renew() -> None:
    """Automatic renewal: which certificates, when, and what was decided.

    A certificate is renewed when a third of its lifetime is left, or later if `enable` names fewer days.
    """


@auto_renew.command()
def show() -> None:
    """Show the accounts for which it is on, the selection, and the result of the last run."""
    from certline.models.accounts.account import accounts
    from certline.models.renewals.runs import counts_of, runs_since, seconds_since_good_run
    from certline.models.renewals.selection import auto_renew_rules, settings_of_all
    from certline.models.schedule import Schedule

    with context.database().transaction() as db:
        names = {account.id: account.name for account in accounts(db, removed=True)}
        switched = [
            setting_document(db, setting, names[setting.account_id])
            for setting in settings_of_all(db)
        ]
        rules = [rule_document(rule, names) for rule in auto_renew_rules(db)]
        last = next(iter(runs_since(db, None, limit=1)), None)
        counts = {} if last is None else counts_of(db, [last.id])
        seconds = seconds_since_good_run(db)
        schedule = db.get(Schedule, "auto-renew")
    document = {
        "accounts": switched,
        "rules": rules,
        "next_run_at": None if schedule is None else instant(schedule.next_due),
        "last_run": None if last is None else run_document(last, counts[last.id]),
        "seconds_since_good_run": None if seconds is None else round(seconds),
    }
    answer(document, lambda: _show(document, None if schedule is None else schedule, last))


@auto_renew.command()
@click.option(
    "--days",
    required=True,
    type=Whole(1, 3650),
    metavar="N",
    help="Renew this many days before the expiry, but never earlier than in the last third of the lifetime.",
)
@click.option(
    "--cap",
    type=Whole(1),
    metavar="N",
    help="At most this many renewals per day; default: twice the even load.",
)
@click.option("--account", metavar="NAME", help="Only for this account; default: all accounts.")
def enable(*, days: int, cap: int | None, account: str | None) -> None:
    """Switch automatic renewal on, or change its days. To select certificates: auto-renew select."""
    from certline.models.renewals.selection import settings_of_all
    from certline.producers.renewals import settings
    from certline.producers.renewals.day_plan import plan_anew

    with context.database().transaction() as db:
        chosen = _accounts(db, account)
        settings.enable(db, chosen, days=days, cap=cap, who=context.person())
        names = {each.id: each.name for each in chosen}
    plan_anew(context.database(), plan_progress())
    with context.database().transaction() as db:
        documents = [
            setting_document(db, setting, names[setting.account_id])
            for setting in settings_of_all(db)
            if setting.account_id in names
        ]
    answer(documents, lambda: _tell_settings(documents))
    for each in documents:
        if each["cap_per_day"] < each["even_load"]:
            whisper(
                f"warning: {each['selected']} certificates of {each['account']} need "
                f"{each['even_load']:g} renewals a day, and the cap is {each['cap_per_day']}: "
                "many will be renewed in the last 5 % of their lifetime"
            )
        if each["limited"]:
            whisper(
                f"notice: {each['limited']} certificates of {each['account']} will be renewed later than "
                f"{each['days']} days before they expire: the earliest is a third of the lifetime"
            )
    if not any(each["selected"] for each in documents):
        whisper("Nothing is selected yet: certline auto-renew select --all")


@auto_renew.command()
@click.option("--account", metavar="NAME", help="Only for this account; default: all accounts.")
def disable(*, account: str | None) -> None:
    """Switch automatic renewal off. The selection is kept, and renewals already requested go on."""
    from certline.models.renewals.selection import settings_of_all
    from certline.producers.renewals import settings
    from certline.producers.renewals.day_plan import plan_anew

    with context.database().transaction() as db:
        chosen = _accounts(db, account)
        off = settings.disable(db, chosen, who=context.person())
        names = {each.id: each.name for each in chosen}
    plan_anew(context.database(), plan_progress())
    with context.database().transaction() as db:
        ids = {each.account_id for each in off}
        off = [each for each in settings_of_all(db) if each.account_id in ids]
        documents = [setting_document(db, each, names[each.account_id]) for each in off]
    answer(documents, lambda: _tell_settings(documents, empty="Auto-renewal was not on."))
    if not documents:
        leave(NOTHING)


@auto_renew.command()
def run() -> None:
    """Run automatic renewal now, as the producer does daily, and report the decisions."""
    from certline.models.renewals.runs import AutoRenewRun, begin_run, counts_of
    from certline.models.renewals.selection import settings_of_all
    from certline.producers.renewals.auto_renew import go_on

    with context.database().transaction() as db:
        is_on = any(setting.enabled for setting in settings_of_all(db))
        # If a run is still open, this joins it: there is only one at a time.
        begun = begin_run(db, requested_by=context.person()).id
    while not _ended(begun):
        if not go_on(context.database(), SLICE):
            time.sleep(LOOK_EVERY)  # a producer is working on the same run
    with context.database().transaction() as db:
        done = db.get_one(AutoRenewRun, begun)
        counts = counts_of(db, [begun])[begun]
    document = run_document(done, counts)
    answer(document, lambda: _tell_run(done, document))
    if not is_on:
        whisper("Auto-renewal is off. To switch it on: certline auto-renew enable --days 30")
    if counts[Decision.RENEWED]:
        whisper("The renewals run in the background. Their outcome: certline auto-renew audit")
    elif counts[Decision.REFUSED] or counts[Decision.HELD]:
        whisper("For the reasons: certline auto-renew audit")
        leave(WAITS)
    else:
        leave(NOTHING)


auto_renew.add_command(select)
auto_renew.add_command(deselect)
auto_renew.add_command(plan)
auto_renew.add_command(audit)


def _tell_run(done: AutoRenewRun, document: dict[str, Any]) -> None:
    """Print a run in the words of `auto-renew audit` and `show`."""
    facts(
        {
            "requested by": done.requested_by,
            "started (UTC)": minute(done.started_at),
            "ended (UTC)": minute(done.ended_at),
            "looked at": done.looked_at,
            **{word.replace("_", " "): document[word] for word in COUNTED},
        }
    )


def _ended(run_id: str) -> bool:
    from certline.models.renewals.runs import AutoRenewRun

    with context.database().transaction() as db:
        run = db.get_one(AutoRenewRun, run_id)
    if run.ended_at is None and run.looked_at and sys.stderr.isatty() and not as_json():
        whisper(f"looked at {run.looked_at:,} certificates so far")
    return run.ended_at is not None


def _accounts(db: Session, name: str | None) -> list[Account]:
    from certline.models.accounts.account import accounts

    found = accounts(db) if name is None else [find_account(db, name)]
    if not found:
        raise Fault("there is no account yet", hint="To add one: certline account add --help")
    return found


def _tell_settings(documents: list[dict[str, Any]], *, empty: str = "") -> None:
    table(
        ["account", "on", "days before", "cap per day", "selected", "even load per day", "by"],
        [
            (
                each["account"],
                each["enabled"],
                each["days"],
                each["cap_per_day"] if each["cap_is_named"] else f"{each['cap_per_day']} (default)",
                each["selected"],
                each["even_load"],
                each["changed_by"],
            )
            for each in documents
        ],
        empty=empty or "There is no account yet. To add one: certline account add --help",
    )


def _show(document: dict[str, Any], schedule: Schedule | None, last: AutoRenewRun | None) -> None:
    _tell_settings(document["accounts"])
    say("")
    table(
        ["rule", "account", "organization", "profile", "name", "by"],
        [
            (
                each["id"],
                each["account"] or "all",
                each["organization_id"] or "all",
                each["profile_id"] or "all",
                each["name"] or "all",
                each["created_by"],
            )
            for each in document["rules"]
        ],
        empty="There are no rules; only certificates selected one by one are renewed.",
    )
    say("")
    ran = document["last_run"] or {}
    facts(
        {
            "next run (UTC)": None if schedule is None else minute(schedule.next_due),
            "last run (UTC)": None if last is None else minute(last.started_at),
            **{word.replace("_", " "): ran.get(word) for word in COUNTED},
        }
    )
