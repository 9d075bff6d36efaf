"""`certline up` and `certline demo`: all of certline on one machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

import click

from certline.cli import context
from certline.cli.errors import WRONG_USE, Fault
from certline.cli.operations.board import HOST, PORT
from certline.cli.operations.run import require_tables
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.output import leave, whisper

if TYPE_CHECKING:
    from certline.board.access.policy import AccessPolicy


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
    leave(run_up(context.settings(), nullcontext if no_board else partial(_board, _access())))


def _access() -> AccessPolicy:
    """Return who may look at the board: this machine or, where CERTLINE_BOARD_USERS_FILE is set, its users."""
    from certline.board.access.policy import OpenBoardError, access_policy
    from certline.board.access.users_file import UsersFile, UsersFileError

    file = context.settings().board_users_file
    try:
        return access_policy(HOST, None if file is None else UsersFile(file))
    except (OpenBoardError, UsersFileError) as wrong:
        raise Fault(
            str(wrong), code=WRONG_USE, hint="Without the board: certline up --no-board"
        ) from None


@contextmanager
def _board(access: AccessPolicy) -> Iterator[None]:
    """Serve the board on this machine for the length of the block, unless its port is taken."""
    from certline.board.server import beside

    with beside(context.settings(), access, PORT) as url:
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
