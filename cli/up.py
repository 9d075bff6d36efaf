"""`certline up` and `certline demo`: the whole line on one machine."""

import rich_click as click

from certline.cli import line
from certline.cli.grammar import Command
from certline.cli.output import leave, whisper
from certline.cli.run import require_tables


@click.command(cls=Command)
def up() -> None:
    """Run the whole line in this process, without RabbitMQ, until Ctrl-C.

    What was asked is in the database: a killed `up` loses nothing, the next one goes on.
    """
    from certline.producers.in_process import run_up  # noqa: PLC0415  # the demo needs none of it

    require_tables()
    if line.settings().rabbitmq_url is not None:
        whisper("CERTLINE_RABBITMQ_URL is not used by `up`; over RabbitMQ: certline run all")
    leave(run_up(line.settings()))


@click.command(cls=Command)
def demo() -> None:
    """Play a certificate's whole life on this machine: simulator, order, licence, export."""
    from certline.cli.demo import play  # noqa: PLC0415  # `up` needs none of it

    leave(play())
