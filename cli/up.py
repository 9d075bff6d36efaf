"""`certline up` and `certline demo`: all of certline on one machine."""

import rich_click as click

from cli import line
from cli.grammar import Command
from cli.output import leave, whisper
from cli.run import require_tables


@click.command(cls=Command)
def up() -> None:
    """Run all parts of certline in this process, without RabbitMQ, until Ctrl-C.

    All work is recorded in the database: if `up` is killed, the next one continues it.
    """
    from producers.together import run_up  # noqa: PLC0415  # not needed by the demo

    require_tables()
    if line.settings().rabbitmq_url is not None:
        whisper("CERTLINE_RABBITMQ_URL is not used by `up`; over RabbitMQ: certline run all")
    leave(run_up(line.settings()))


@click.command(cls=Command)
def demo() -> None:
    """Demonstrate a certificate's life cycle on this machine, with the simulator in place of SCM."""
    from cli.demo import play  # noqa: PLC0415  # not needed by `up`

    leave(play())
