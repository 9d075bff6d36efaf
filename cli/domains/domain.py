"""`certline domain`: the group of the commands about domains."""

import click

from certline.cli.domains.auto_validate import auto_validate
from certline.cli.domains.cancel_validation import cancel_validation
from certline.cli.domains.forecast import forecast
from certline.cli.domains.show import show
from certline.cli.domains.validate import validate
from certline.cli.scm.catalogue import list_domains
from certline.cli.ui.grammar import Group


@click.group(cls=Group)
def domain() -> None:
    """Domains: their validation as last synced, and what renews it."""


domain.add_command(list_domains)
domain.add_command(show)
domain.add_command(forecast)
domain.add_command(validate)
domain.add_command(cancel_validation)
domain.add_command(auto_validate)
