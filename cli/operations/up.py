"""`certline up` and `certline demo`: the whole line on one machine."""

import rich_click as click

from certline.cli import context
from certline.cli.operations.run import require_tables
from certline.cli.ui.grammar import Command
from certline.cli.ui.output import leave, whisper


@click.command(cls=Command)
def up() -> None:
    """Run the whole line in this process, without RabbitMQ, until Ctrl-C.

    What was asked is in the database: a killed `up` loses nothing, the next one goes on.
    """
    from certline.producers.in_process import run_up  # noqa: PLC0415  # the demo needs none of it

    require_tables()
    if context.settings().rabbitmq_url is not None:
        whisper("CERTLINE_RABBITMQ_URL is not used by `up`; over RabbitMQ: certline run all")
    leave(run_up(context.settings()))


@click.command(cls=Command)
def demo() -> None:
    """Play a certificate's whole life on this machine: simulator, order, licence, export."""
    from certline.cli.demo.story import play  # noqa: PLC0415  # `up` needs none of it

    leave(play())
