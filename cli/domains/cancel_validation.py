"""`certline domain cancel-validation`: end of validations that a person no longer wants."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

import click

from certline.cli import context
from certline.cli.errors import NOTHING, Fault
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.output import answer, say, whisper
from certline.models.documents.catalogue import CancelledValidationDocument

if TYPE_CHECKING:
    from certline.producers.domains.cancellation import CancelledValidation


@click.command("cancel-validation", cls=CliCommand)
@click.argument("domains", nargs=-1, required=True, metavar="DOMAIN...")
@click.option("--account", metavar="NAME", help="The account, if several have the domain.")
@click.option("--reason", metavar="TEXT", help="The reason, for whoever waits for the validation.")
def cancel_validation(domains: tuple[str, ...], *, account: str | None, reason: str | None) -> None:
    """Cancel validations that are under way, or that wait for their turn. Exits 4 if one is not.

    Their commands fail, and a worker takes away what was put in place. SCM is not asked: what was started or
    submitted there stays. The present validation is not touched.
    """
    from certline.producers.domains.cancellation import NothingToCancelError, cancel_validations

    try:
        cancelled = cancel_validations(
            context.database(), domains, account=account, reason=reason, who=context.person()
        )
    except NothingToCancelError as nothing:
        hint = "What is under way: certline domain list --under-way"
        raise Fault(f"{nothing}: nothing was cancelled", code=NOTHING, hint=hint) from None
    documents = [CancelledValidationDocument.of(each) for each in cancelled]
    answer(documents, lambda: say("\n".join(map(_sentence, cancelled))))
    whisper(
        "Where automatic validation is on, it begins another as after a failure, in an hour at the soonest. To "
        "leave one to a person: certline domain auto-validate select "
        + _quoted(cancelled[0])
        + " --off"
    )


def _sentence(each: CancelledValidation) -> str:
    """Return what was cancelled, and what is left."""
    proof = each.proof
    if each.withdraws:
        proof += ": certline domain show " + _quoted(each)
    return f"{each.domain} ({each.account}): cancelled. {proof}. At SCM: {each.at_scm}."


def _quoted(each: CancelledValidation) -> str:
    """Return how its domain is named in a command, for a shell: with its account where others have it, too."""
    account = f" --account {quote(each.account)}" if each.is_shared else ""
    return f"{quote(each.domain)}{account}"
