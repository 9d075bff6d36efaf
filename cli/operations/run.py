"""`certline run`: parts of certline as separate processes, connected by RabbitMQ."""

from typing import Any

import click

from certline.cli import context
from certline.cli.errors import Fault
from certline.cli.operations.board import board_options, serve_board
from certline.cli.parameters.number import Whole
from certline.cli.ui.grammar import Group
from certline.cli.ui.output import leave, whisper
from certline.models.file_rights import rights_of
from certline.models.states import Queue
from certline.workers.process.parent_watch import end_with_run_all

PREFIX = "certline."
QUEUES = [queue.value.removeprefix(PREFIX) for queue in Queue]


def queue_names(
    _context: click.Context, option: click.Parameter, given: tuple[str, ...]
) -> list[str]:
    """Return queues by name, accepted with or without `certline.`, in one text or several."""
    names = [name for text in given for name in text.replace(",", " ").split()]
    wanted = [PREFIX + name.removeprefix(PREFIX) for name in names]
    for name in wanted:
        if name.removeprefix(PREFIX) not in QUEUES:
            raise click.BadParameter(
                f"{name!r} is not a queue; the queues are: {', '.join(QUEUES)}", param=option
            )
    return list(dict.fromkeys(wanted))


processes_option = click.option(
    "--processes",
    type=Whole(1, 1000),
    default=None,
    show_default="by the cores, and by CERTLINE_RATE_READ",
    help="Number of worker processes.",
)
threads_option = click.option(
    "--threads",
    type=Whole(1, 1000),
    default=None,
    show_default="by CERTLINE_RATE_READ",
    metavar="N",
    help="Threads per worker process, which is also its number of concurrent calls to SCM.",
)


@click.group(cls=Group)
def run() -> None:
    """Run parts of certline as separate processes, connected by RabbitMQ.

    SIGTERM or Ctrl-C stops them after their current work.
    """
    end_with_run_all()


@run.command()
@click.option(
    "--queues",
    multiple=True,
    metavar="Q",
    callback=queue_names,
    help=f"Only these queues ({', '.join(QUEUES)}); repeatable, or separated by commas.",
)
@processes_option
@threads_option
def worker(queues: list[str], processes: int | None, threads: int | None) -> None:
    """Run workers, which carry out commands and call SCM."""
    from certline.producers.capacity import sized
    from certline.workers.metrics.shared_files import share_files

    # Before anything imports Prometheus' library. A single process keeps its metrics in its memory.
    if sized(context.settings(), processes, threads).processes > 1:
        share_files()
    from certline.producers.processes import run_worker

    require_servers()
    leave(
        run_worker(context.settings(), queues=queues or None, processes=processes, threads=threads)
    )


@run.command()
def relay() -> None:
    """Run a relay, which publishes the outbox to RabbitMQ. It needs no secret key."""
    from certline.producers.processes import run_relay

    require_servers(key=False)
    leave(run_relay(context.settings()))


@run.command()
def ingress() -> None:
    """Run an ingress, which accepts commands of other systems and collects dead letters from RabbitMQ."""
    from certline.producers.processes import run_ingress

    require_servers()
    leave(run_ingress(context.settings()))


@run.command()
def producer() -> None:
    """Run the periodic producer: schedules, and the sweep for work whose follow-up was lost.

    It needs neither RabbitMQ nor a secret key.
    """
    from certline.producers.processes import run_producer

    require_tables(key=False)
    leave(run_producer(context.settings()))


@run.command("board")
@board_options
def board_(**given: Any) -> None:
    """Run the board, which shows the line in a browser; the same as `certline board`.

    It needs neither RabbitMQ nor a secret key, and a role of Postgres that can only read.
    """
    serve_board(**given)


@run.command("all")
@processes_option
@threads_option
def all_(processes: int | None, threads: int | None) -> None:
    """Run worker, relay, ingress and producer together, each as a process of its own.

    The board is not among them, since it has a login of its own: certline board.
    """
    from certline.workers.metrics.shared_files import share_files

    share_files()  # before anything imports Prometheus' library
    from certline.producers.processes import run_all

    require_servers()
    leave(run_all(context.settings(), processes=processes, threads=threads))


def require_servers(*, key: bool = True) -> None:
    """Check at start-up that the database and RabbitMQ are ready. Raises Fault, ServerDownError.

    `key`: whether the part has to have the secret key.
    """
    from certline.producers.processes import reach_rabbit

    require_tables(key=key)
    # Checked before the part starts logging, so that the user reads one line and not pika's twenty.
    reach_rabbit(context.settings())


def require_tables(*, key: bool = True) -> None:
    """Check at start-up that the database is ready. Raises Fault.

    `key`: whether the part has to have the secret key; one that it has in any case is proven.
    """
    from certline.models.database.migrate import behind
    from certline.models.settings import unknown_variables
    from certline.models.vault import vault_if_given
    from certline.workers.tracing.switch import require_packages

    require_packages()  # raises TracingSetupError before a part starts
    for name in unknown_variables():
        whisper(f"warning: {name} is not a setting of certline, and has no effect")
    if behind(context.database()):
        raise Fault("the database does not have the tables of this version: run `certline init`")
    # Raises NoSecretKeyError and UnprovenKeyError now rather than at the first secret.
    if key or vault_if_given(context.settings()) is not None:
        context.vault()
    file = context.settings().secret_key_file
    if context.settings().secret_key is None and file is not None and rights_of(file).warning:
        whisper(f"warning: {rights_of(file).warning}")
    # Workers are forked, and a database connection must not be shared between processes.
    context.database().close()
