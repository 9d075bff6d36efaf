"""`certline domain validate`: validation of domains at SCM."""

from __future__ import annotations

from shlex import quote
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

    if method == ValidationMethod.EMAIL.value and email is None:
        raise click.UsageError("--method email needs --email: the address that confirms.")
    given = {"account": account, "method": method, "dns": dns, "email": email, "within": within}
    wanted = [read_payload(ValidateCommand, {"domain": name, **given}) for name in domains]
    planned = plan_validations(context.database(), wanted)
    if dry_run:
        documents = [PlannedValidationDocument.of(each) for each in planned]
        answer(documents, lambda: say("\n".join(map(_sentence, planned))))
        return
    commands = request_validations(context.database(), wanted, requested_by=context.person())
    # A domain is validated once, by whichever of its names it was named.
    once = {(each.account, each.domain): each for each in planned}.values()
    remarks = [] if wait or timeout is not None else [_lasting(each) for each in once if each.lasts]
    started(commands, wait=wait, timeout=timeout, as_list=len(domains) > 1, remarks=remarks)


def _lasting(planned: PlannedValidation) -> str:
    """Return why nothing is to be done for a domain whose validation lasts."""
    return (
        f"{planned.domain} is validated until {planned.expires}, for more than {planned.wanted.within} days: "
        "nothing is done, unless SCM says otherwise."
    )


def _sentence(planned: PlannedValidation) -> str:
    """Return what would be done for a domain."""
    if planned.going is not None:
        show = f"certline domain show {quote(planned.domain)}"
        going = f"is being validated already (command {planned.going.id})"
        return f"{planned.domain}: {going}; what it waits for: {show}"
    if planned.lasts:
        return (
            f"{planned.domain} ({planned.account}): nothing would be done; it is validated until "
            f"{planned.expires}, for more than {planned.wanted.within} days"
        )
    until = f", now until {planned.expires}" if planned.expires else ", not validated now"
    if planned.method is ValidationMethod.EMAIL:
        how = f"by a mail to {planned.wanted.email}"
    elif planned.dns is None:
        how = f"by {planned.method}, whose record or file you make by hand"
    else:
        how = f"by {planned.method}, put in place by {planned.dns}"
    return f"{planned.domain} ({planned.account}{until}): would be validated {how}"
