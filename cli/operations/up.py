"""`certline up` and `certline demo`: all of certline on one machine."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import click

from certline.cli import context
from certline.cli.operations.run import require_tables
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.output import leave, whisper


@click.command(cls=CliCommand)
@click.option("--no-board", is_flag=True, help="Serve no board.")
def up(*, no_board: bool) -> None:
    """Run all parts of certline in this process, without RabbitMQ, until Ctrl-C.

    All work is recorded in the database: if `up` is killed, the next one continues it. The board, at
    http://127.0.0.1:8600, serves this machine only; elsewhere: certline board --host.
    """
    from certline.producers.in_process import run_up  # not needed by the demo

    require_tables()
    if context.settings().rabbitmq_url is not None:
        whisper("CERTLINE_RABBITMQ_URL is not used by `up`; over RabbitMQ: certline run all")
    leave(run_up(context.settings(), nullcontext if no_board else _board))


@contextmanager
def _board() -> Iterator[None]:
    """Serve the board on this machine for the length of the block, unless its port is taken."""
    from certline.board.server import HOST, PORT, beside

    with beside(context.settings(), HOST, PORT) as url:
        whisper(
            f"The board: {url}"
            if url
            else f"The board is not served: port {PORT} is in use. On another one: certline board --port N"
        )
        yield


@click.command(cls=CliCommand)
def demo() -> None:
    """Demonstrate a certificate's life cycle on this machine, with the simulator in place of SCM."""
    from certline.cli.demo.story import play  # not needed by `up`

    leave(play())
