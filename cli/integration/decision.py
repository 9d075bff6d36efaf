"""`certline command approve` and `decline`: the second person's decision."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from certline.cli import context
from certline.cli.errors import NOTHING, Fault
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.output import answer, say
from certline.models.documents.command import ApprovalDocument

if TYPE_CHECKING:
    from certline.models import Approval


@click.command(cls=CliCommand)
@click.argument("command_id", metavar="ID")
def approve(command_id: str) -> None:
    """Approve what somebody else has asked for; a held command goes on.

    ID is the one that `certline approval show` lists. Refused for whoever asked for it.
    """
    from certline.producers.requests import approvals

    found = _decided(
        lambda: approvals.approve(context.database(), command_id, who=context.person())
    )
    goes_on = f"It goes on: certline command wait {found.id}"
    again = f"{found.requester.name} has to type the command again."
    _answer(found, f"Approved: {found.request}. {goes_on if found.of_command else again}")


@click.command(cls=CliCommand)
@click.argument("command_id", metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", help="The reason, for the requester.")
def decline(command_id: str, reason: str) -> None:
    """Decline what somebody else has asked for; a held command fails."""
    from certline.producers.requests import approvals

    who = context.person()
    found = _decided(
        lambda: approvals.decline(context.database(), command_id, who=who, reason=reason)
    )
    _answer(found, f"Declined: {found.request}.")


def _decided(decide: Callable[[], Approval]) -> Approval:
    """Return what was decided. Raises Fault."""
    from certline.models.validation import BadCommandError
    from certline.producers.requests.approvals import NothingToDecideError, SamePersonError

    try:
        return decide()
    except NothingToDecideError as nothing:
        raise Fault(str(nothing), code=NOTHING) from None
    except SamePersonError as same:
        raise Fault(str(same), hint="The attempt is in the audit log.") from None
    except BadCommandError as bad:
        raise Fault(str(bad)) from None


def _answer(found: Approval, text: str) -> None:
    answer(ApprovalDocument.of(found).as_dict(), lambda: say(text))
