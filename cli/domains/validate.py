"""`certline domain validate`: validation of domains at SCM."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from certline.cli import context
from certline.cli.parameters.number import Whole
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.output import answer, say
from certline.cli.waiting.wait import started, wait_options
from certline.models.documents.catalogue import PlannedValidationDocument
from certline.models.states import ValidationMethod

if TYPE_CHECKING:
    from certline.producers.domains.validations import PlannedValidation


@click.command(cls=CliCommand)
@click.argument("domains", nargs=-1, required=True, metavar="DOMAIN...")
@click.option("--account", metavar="NAME", help="The account, if several have the domain.")
@click.option(
    "--method",
    type=click.Choice([each.value for each in ValidationMethod]),
    help="How it is proven to the CA; default: as before, or by CNAME.",
)
@click.option(
    "--dns",
    metavar="NAME",
    help="The provider that puts the proof in place (certline dns list); default: the one whose zones contain it.",
)
@click.option("--email", metavar="ADDRESS", help="With --method email: the address that confirms.")
@click.option(
    "--within",
    type=Whole(0, 3650),
    metavar="DAYS",
    help="Do nothing if the present validation lasts for more days than this.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be done; nothing is sent.")
@wait_options
def validate(
    domains: tuple[str, ...],
    *,
    account: str | None,
    method: str | None,
    dns: str | None,
    email: str | None,
    within: int | None,
    dry_run: bool,
    wait: bool,
    timeout: float | None,
) -> None:
    """Validate domains at SCM, so that certificates for all names below them can be ordered and renewed.

    certline asks SCM for the proof, puts it in place, looks whether it is seen at all name servers, has the CA
    look, and takes it away again. Where no provider is set up (certline dns add), certline domain show says which
    record is to be made, and certline goes on once it is seen.
    """
    from certline.models.commands.payloads import ValidateCommand, read_payload
    from certline.producers.domains.validations import plan_validations, request_validations

    given = {"account": account, "method": method, "dns": dns, "email": email, "within": within}
    wanted = [read_payload(ValidateCommand, {"domain": name, **given}) for name in domains]
    if dry_run:
        planned = plan_validations(context.database(), wanted)
        documents = [PlannedValidationDocument.of(each) for each in planned]
        answer(documents, lambda: say("\n".join(map(_sentence, planned))))
        return
    commands = request_validations(context.database(), wanted, requested_by=context.person())
    started(commands, wait=wait, timeout=timeout, as_list=len(domains) > 1)


def _sentence(planned: PlannedValidation) -> str:
    """Return what would be done for a domain."""
    if planned.going is not None:
        return f"{planned.domain}: is being validated already (command {planned.going.id})"
    until = f", now until {planned.expires}" if planned.expires else ", not validated now"
    if planned.method is ValidationMethod.EMAIL:
        how = f"by a mail to {planned.wanted.email or 'an address that SCM names'}"
    elif planned.dns is None:
        how = f"by {planned.method}, whose record or file you make by hand"
    else:
        how = f"by {planned.method}, put in place by {planned.dns}"
    return f"{planned.domain} ({planned.account}{until}): would be validated {how}"
