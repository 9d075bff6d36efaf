"""`certline domain auto-validate`: validation without a person; its settings, its plan and its decisions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from certline.cli import context
from certline.cli.errors import NOTHING
from certline.cli.parameters.number import Whole
from certline.cli.ui.grammar import CliCommand, Group
from certline.cli.ui.lookup import find_account
from certline.cli.ui.output import answer, leave, say, table, whisper
from certline.models.documents.catalogue import DomainPlanDocument, ValidationDecisionDocument
from certline.models.documents.projection import minute, minute_and_distance
from certline.models.states import Decision

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from certline.models import Account

# Decisions that are listed at most.
MOST = 1_000
OFF = "It is off. To switch it on: certline domain auto-validate enable"

account_option = click.option(
    "--account", metavar="NAME", help="Only for this account; default: all accounts."
)


@click.group("auto-validate", cls=Group)
def auto_validate() -> None:
    """Validation of domains without a person: which domains, when, and what was decided.

    A domain is validated anew when a third of its validation's life is left, or later if `enable` names fewer
    days.
    """


@auto_validate.command(cls=CliCommand)
@click.option(
    "--days",
    default=30,
    show_default=True,
    type=Whole(1, 398),
    metavar="N",
    help="Validate this many days before the end, but never earlier than in the last third of its life.",
)
@click.option(
    "--cap",
    type=Whole(1),
    metavar="N",
    help="At most this many validations per day; default: twice the even load.",
)
@account_option
def enable(*, days: int, cap: int | None, account: str | None) -> None:
    """Switch automatic validation on for all domains of the accounts, or change its days."""
    from certline.producers.domains.settings import enable_validation

    with context.database().transaction() as db:
        chosen = _accounts(db, account)
        for each in chosen:
            enable_validation(db, each, days=days, cap=cap, who=context.person())
    documents = [
        {"account": each.name, "enabled": True, "days": days, "cap_per_day": cap} for each in chosen
    ]
    names = ", ".join(each.name for each in chosen)
    answer(documents, lambda: say(f"Domains of {names} are validated by themselves now."))
    whisper("What will be validated when: certline domain auto-validate plan")


@auto_validate.command(cls=CliCommand)
@account_option
def disable(*, account: str | None) -> None:
    """Switch automatic validation off. The choices are kept, and validations already begun go on."""
    from certline.producers.domains.settings import disable_validation

    with context.database().transaction() as db:
        off = [
            each.name
            for each in _accounts(db, account)
            if disable_validation(db, each, who=context.person())
        ]
    answer(off, lambda: say(f"Switched off for: {', '.join(off)}" if off else "It was off."))
    leave(0 if off else NOTHING)


@auto_validate.command(cls=CliCommand)
@click.argument("domains", nargs=-1, required=True, metavar="DOMAIN...")
@click.option(
    "--days",
    type=Whole(1, 398),
    metavar="N",
    help="For these domains in place of the account's days.",
)
@click.option("--off", is_flag=True, help="Leave these domains to a person.")
@click.option("--account", metavar="NAME", help="The account, if several have the domain.")
def select(domains: tuple[str, ...], *, days: int | None, off: bool, account: str | None) -> None:
    """Choose for single domains whether they are validated by themselves, and how many days before the end."""
    from certline.producers.domains.settings import select_domains

    with context.database().transaction() as db:
        found = select_domains(
            db, domains, account=account, selected=not off, days=days, who=context.person()
        )
    documents = [
        {"account": owner.name, "domain": domain, "selected": not off, "days": days}
        for owner, domain in found
    ]
    what = (
        "left to a person" if off else "validated by themselves, where automatic validation is on"
    )
    answer(documents, lambda: say(f"{', '.join(domain for _, domain in found)}: {what}"))


@auto_validate.command(cls=CliCommand)
@click.option(
    "--days",
    default=30,
    show_default=True,
    type=Whole(1, 3650),
    metavar="N",
    help="Look this far ahead.",
)
def plan(*, days: int) -> None:
    """Show which domain will be validated on which day; nothing is changed."""
    from certline.models.domains.automation import auto_validations
    from certline.producers.domains.automatic import plan_domains
    from certline.producers.domains.publishers import publishers_of

    with context.database().transaction() as db:
        last = datetime.now(UTC).date() + timedelta(days=days)
        planned = plan_domains(db)
        shown = [each for each in planned if each.day is None or each.day <= last]
        publishers = publishers_of(db, shown)
        is_on = bool(auto_validations(db, enabled=True))
    found = [
        DomainPlanDocument.of(each, dns=publishers[each.account.id, each.domain]) for each in shown
    ]
    # Sorted by day, so the first one left out is the next.
    later = [each for each in planned if each.day is not None and each.day > last]
    nothing = OFF
    if is_on:
        following = f"next: {later[0].day} {later[0].domain}" if later else "no domain has a day"
        nothing = f"It is on; nothing is due in {days} days; {following}"
    answer(found, lambda: _show_plan(found, nothing))
    leave(0 if found else NOTHING)


@auto_validate.command(cls=CliCommand)
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="Only decisions since this day (UTC).",
)
def audit(*, since: datetime | None) -> None:
    """List what was decided about domains that were due, and why; the newest first."""
    from certline.models.accounts.account import accounts
    from certline.models.domains.automation import decisions_since

    start = None if since is None else since.replace(tzinfo=UTC)
    with context.database().transaction() as db:
        names = {each.id: each.name for each in accounts(db, removed=True)}
        found = [
            ValidationDecisionDocument.of(each, names) for each in decisions_since(db, start, MOST)
        ]
    answer(found, lambda: _show_decisions(found))
    leave(0 if found else NOTHING)


def _accounts(db: Session, name: str | None) -> list[Account]:
    from certline.models.accounts.account import account_for, accounts

    if name is not None:
        return [find_account(db, name)]
    return accounts(db) or [account_for(db, None)]


def _show_plan(found: list[Any], nothing: str) -> None:
    rows = [
        (
            minute_and_distance(each.day) or "under way, or without an end",
            each.domain,
            minute(each.expires) or "-",
            each.dns or "a person",
            each.reason or "",
        )
        for each in found
    ]
    table(("day", "domain", "valid until", "proof made by", "why not"), rows, empty=nothing)
    by_hand = [each.domain for each in found if each.dns is None]
    if by_hand:
        domains = "1 domain" if len(by_hand) == 1 else f"{len(by_hand)} domains"
        say(
            f"No provider writes below {domains}, such as {by_hand[0]}: unless an alias of the record leads into "
            "the zone of one, a person is told which record to make. To add a provider: certline dns add --help"
        )


def _show_decisions(found: list[Any]) -> None:
    words = {Decision.RENEWED.value: "requested"}
    rows = [
        (
            minute(each.decided_at),
            each.domain,
            words.get(str(each.decision), str(each.decision)),
            each.reason or each.command_id or "",
        )
        for each in found
    ]
    table(
        ("decided (UTC)", "domain", "decision", "reason or command"),
        rows,
        empty="Nothing was decided yet.",
    )
