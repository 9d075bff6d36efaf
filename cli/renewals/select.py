"""`certline auto-renew select` and `deselect`: the certificates selected for automatic renewal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from certline.cli import context
from certline.cli.errors import NOTHING
from certline.cli.parameters.number import Whole
from certline.cli.renewals.plan_progress import plan_progress
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.listing import places
from certline.cli.ui.lookup import find_account, find_certificate
from certline.cli.ui.output import answer, leave, say, whisper
from certline.models.documents.renewal import rule_document

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from certline.models import Certificate
    from certline.models.renewals.selection import AutoRenewRule


def selection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument CERT… and the options that name certificates by what they have in common."""
    for option in (
        click.option("--account", metavar="NAME", help="Only of this account."),
        click.option(
            "--name", metavar="PATTERN", help="Names that match; * stands for any characters."
        ),
        click.option("--profile", metavar="ID|NAME", help="With this certificate profile."),
        click.option(
            "--organization", metavar="ID|NAME", help="Of this organisation or department."
        ),
        click.option("--all", "every", is_flag=True, help="Every certificate."),
        click.argument("names", metavar="[CERT]...", nargs=-1),
    ):
        command = option(command)
    return command


@click.command(cls=CliCommand)
@selection_options
@click.option(
    "--days",
    type=Whole(1, 3650),
    metavar="N",
    help="Days before the expiry for these certificates, in place of the account's; only with CERT.",
)
def select(*, names: tuple[str, ...], days: int | None, **given: Any) -> None:
    """Select certificates one by one, or by a rule that also covers future certificates."""
    from certline.producers.renewals import settings
    from certline.producers.renewals.day_plan import plan_anew

    _require_one_way(names, given)
    notices: list[str] = []
    with context.database().transaction() as db:
        if names:
            found = _certificates(db, names)
            settings.choose(db, found, selected=True, days=days, who=context.person())
            documents = [_choice_document(each, selected=True, days=days) for each in found]
            limits = settings.limited_days(found, days)
            for document in documents:
                limit = limits.get(document["certificate"])
                document["days_in_effect"] = days if limit is None else limit
                if limit is not None:
                    notices.append(
                        f"{document['common_name']} will be renewed {limit} days before it expires, not {days}: "
                        "the earliest is a third of the lifetime"
                    )
        else:
            if days is not None:
                raise click.UsageError(
                    "--days works only with CERT; for all certificates: certline auto-renew enable --days N"
                )
            documents = []
            for rule in _rules(db, given):
                stored, new = settings.add_rule(db, rule, who=context.person())
                if new:
                    documents.append(rule_document(stored, _names(db)))
    if not names:  # also if the rule was there already: a plan that was interrupted is completed
        plan_anew(context.database(), plan_progress())
    for notice in notices:
        whisper(f"notice: {notice}")
    _tell_selection(documents, "selected", empty="This rule already exists.")


@click.command(cls=CliCommand)
@selection_options
def deselect(*, names: tuple[str, ...], **given: Any) -> None:
    """Deselect single certificates, even if a rule selects them; or delete a rule, given as to `select`.

    With --all, every rule and every choice of a single certificate is deleted.
    """
    from certline.producers.renewals import settings
    from certline.producers.renewals.day_plan import plan_anew

    _require_one_way(names, given)
    documents: list[dict[str, Any]] = []
    if given["every"]:
        documents = _drop_everything(given["account"])
    with context.database().transaction() as db:
        if names:
            found = _certificates(db, names)
            settings.choose(db, found, selected=False, who=context.person())
            documents = [_choice_document(each, selected=False, days=None) for each in found]
        elif not given["every"]:
            for rule in _rules(db, given):
                gone = settings.drop_rule(db, rule, who=context.person())
                if gone is not None:
                    documents.append(rule_document(gone, _names(db)))
    if not names:
        plan_anew(context.database(), plan_progress())
    _tell_selection(
        documents,
        "deselected",
        empty="There is no such rule. To list them: certline auto-renew show",
    )


def _drop_everything(account: str | None) -> list[dict[str, Any]]:
    from certline.producers.renewals import settings

    with context.database().transaction() as db:
        found = None if account is None else find_account(db, account)
    count = settings.drop_everything(context.database(), found, who=context.person())
    return [{"dropped": count}] if count else []


def _certificates(db: Session, names: tuple[str, ...]) -> list[Certificate]:
    found = [find_certificate(db, name) for name in names]
    return list({certificate.id: certificate for certificate in found}.values())


def _require_one_way(names: tuple[str, ...], given: dict[str, Any]) -> None:
    together = [given[key] for key in ("organization", "profile", "name") if given[key]]
    if names and (given["every"] or together or given["account"]):
        raise click.UsageError("name certificates, or use options that select them, but not both")
    if given["every"] and together:
        raise click.UsageError("--all can be combined with --account only")
    if not names and not given["every"] and not together:
        raise click.UsageError(
            "name what is meant: CERT, --all, --organization, --profile or --name"
        )


def _rules(db: Session, given: dict[str, Any]) -> list[AutoRenewRule]:
    """Return the rules that the options describe: one for each SCM id that a name stands for."""
    from certline.models.renewals.selection import AutoRenewRule

    found = places(
        db,
        account=given["account"],
        organization=given["organization"],
        profile=given["profile"],
    )
    name = given["name"]
    return [
        AutoRenewRule(
            account_id=found["account_id"],
            organization_id=organization,
            profile_id=profile,
            name=None if name is None else name.lower(),
            created_by=str(context.person()),
        )
        for organization in found.get("organizations", [None])
        for profile in found.get("profiles", [None])
    ]


def _names(db: Session) -> dict[int, str]:
    from certline.models.accounts.account import accounts

    return {account.id: account.name for account in accounts(db, removed=True)}


def _choice_document(
    certificate: Certificate, *, selected: bool, days: int | None
) -> dict[str, Any]:
    return {
        "certificate": certificate.id,
        "common_name": certificate.common_name,
        "selected": selected,
        "days": days,
    }


def _tell_selection(documents: list[dict[str, Any]], word: str, *, empty: str) -> None:
    def people() -> None:
        for each in documents:
            said = each.get("common_name") or ", ".join(
                f"{key} {value}"
                for key, value in each.items()
                if value is not None and not key.startswith("created") and key != "id"
            )
            say(f"{word}: {said or 'every certificate, present and future'}")
        if not documents:
            say(empty)

    answer(documents, people)
    if not documents:
        leave(NOTHING)
