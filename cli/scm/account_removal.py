"""`certline account remove`: the end of an account's login."""

from __future__ import annotations

import sys
from shlex import quote
from typing import TYPE_CHECKING

import click

from certline.cli import context
from certline.cli.confirmation import confirm
from certline.cli.errors import Fault
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.lookup import find_account
from certline.cli.ui.output import answer, as_json, say, whisper
from certline.cli.waiting.approval import leave_waiting
from certline.models.documents.account import AccountDocument

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from certline.models import Account, Approval
    from certline.producers.requests.accounts import Removed


@click.command(cls=CliCommand)
@click.argument("name")
@click.option(
    "--force",
    is_flag=True,
    help="Remove it even if orders are open: orders never sent are cancelled, others go to review.",
)
@click.option("--yes", is_flag=True, help="Remove it without asking; required without a terminal.")
def remove(name: str, *, force: bool, yes: bool) -> None:
    """Remove an account's login. Its orders and certificates stay, and can be shown and exported.

    Refused while orders are open, unless --force is given. Asks first. It may need the approval of a second
    person: certline approval show.
    """
    from certline.models import Account, Approval

    with context.database().transaction() as db:
        found = find_account(db, name)
    confirm(
        f"account {found.name}, {found.login_kind.value} login at {found.url}. Its secret is destroyed; until "
        "the account is added again, its certificates cannot be renewed, reissued or revoked",
        "Remove this account?",
        yes=yes,
        declined="nothing was removed",
    )
    with context.database().transaction() as db:
        # Locked, so that no order can be placed for it meanwhile.
        row = db.get_one(Account, find_account(db, name).id, with_for_update=True)
        removed = _removed(db, row, force=force)
    if isinstance(removed, Approval):
        leave_waiting(removed)
    _settle_all(row, removed)
    _warn(removed)
    document = AccountDocument.of(row).as_dict() | {
        "orders_cancelled": removed.cancelled,
        "orders_in_review": removed.in_review,
        "certificates": removed.certificates,
    }
    answer(document, lambda: say(f"Account {name} is removed."))


def _removed(db: Session, row: Account, *, force: bool) -> Removed | Approval:
    """Remove an account, or return the approval that it waits for. Raises Fault while orders are open."""
    from certline.models.commands.approval import Guard, permit
    from certline.producers.requests.accounts import OpenOrdersError, remove_account

    who, what = context.person(), f"account remove {quote(row.name)}{' --force' if force else ''}"
    waits = permit(db, Guard.DELETE, what, who)
    if waits is not None:
        return waits
    try:
        return remove_account(db, row, who=who, force=force)
    except OpenOrdersError as refusal:
        raise Fault(
            f"{refusal}: it is not removed",
            hint=f"To list them: certline order list --account {quote(row.name)} --open. With --force "
            "certline stops polling SCM for them.",
        ) from None


def _settle_all(row: Account, removed: Removed) -> None:
    """Settle the open orders that the removal itself has left, some hundred in each transaction."""
    from certline.producers.requests.accounts import settle_more

    left = removed.left
    while left:
        if sys.stderr.isatty() and not as_json():
            whisper(f"{left:,} open orders are left")
        with context.database().transaction() as db:
            more = settle_more(db, row, who=context.person())
        removed.cancelled.extend(more.cancelled)
        removed.in_review.extend(more.in_review)
        left = more.left if more.cancelled or more.in_review else 0


def _warn(removed: Removed) -> None:
    if removed.cancelled:
        whisper(
            f"warning: {len(removed.cancelled)} orders are cancelled; they were never sent to SCM."
        )
    if removed.in_review:
        whisper(
            f"warning: {len(removed.in_review)} orders are in review: SCM holds them, or may hold them, "
            "and certline no longer polls for them. Check SCM, or add the account again and decide: "
            "certline order list --status review"
        )
    if removed.certificates:
        whisper(
            f"Its {removed.certificates} certificates stay stored; until the account is added again they "
            "cannot be renewed, reissued or revoked."
        )
    whisper("Nothing has changed at SCM.")
