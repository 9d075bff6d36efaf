"""`certline up` and `certline demo`: all of certline on one machine."""

import click

from certline.cli import context
from certline.cli.operations.run import require_tables
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.output import leave, whisper


@click.command(cls=CliCommand)
def up() -> None:
    """Run all parts of certline in this process, without RabbitMQ, until Ctrl-C.

    All work is recorded in the database: if `up` is killed, the next one continues it.
    """
    from certline.producers.in_process import run_up  # not needed by the demo

    require_tables()
    if context.settings().rabbitmq_url is not None:
        whisper("CERTLINE_RABBITMQ_URL is not used by `up`; over RabbitMQ: certline run all")
    leave(run_up(context.settings()))


@click.command(cls=CliCommand)
def demo() -> None:
    """Demonstrate a certificate's life cycle on this machine, with the simulator in place of SCM."""
    from certline.cli.demo.story import play  # not needed by `up`

    leave(play())
