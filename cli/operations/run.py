"""`certline run`: parts of the line as processes, over RabbitMQ."""

import rich_click as click

from certline.cli import context
from certline.cli.errors import Fault
from certline.cli.ui.grammar import Group
from certline.cli.ui.output import leave
from certline.models import Queue
from certline.models.database.migrate import behind
from certline.producers import processes as parts

PREFIX = "certline."
QUEUES = [queue.value.removeprefix(PREFIX) for queue in Queue]


def queue_names(
    _context: click.Context, option: click.Parameter, given: tuple[str, ...]
) -> list[str]:
    """Queues by their names, with or without `certline.`, several in one text or not."""
    names = [name for text in given for name in text.replace(",", " ").split()]
    wanted = [PREFIX + name.removeprefix(PREFIX) for name in names]
    for name in wanted:
        if name.removeprefix(PREFIX) not in QUEUES:
            raise click.BadParameter(
                f"{name!r} is no queue; there are: {', '.join(QUEUES)}", param=option
            )
    return list(dict.fromkeys(wanted))


processes_option = click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Worker processes.",
)
threads_option = click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    metavar="N",
    help="Threads of each worker process: so many calls to SCM at once.",
)


@click.group(cls=Group)
def run() -> None:
    """Run parts of the line as processes, over RabbitMQ. SIGTERM or Ctrl-C ends them in good order."""
    parts.end_with_run_all()


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
def worker(queues: list[str], processes: int, threads: int) -> None:
    """Run workers, which talk to SCM."""
    require_servers()
    leave(
        parts.run_worker(
            context.settings(), queues=queues or None, processes=processes, threads=threads
        )
    )


@run.command()
def relay() -> None:
    """Run a relay, which sends what Postgres has for RabbitMQ."""
    require_servers()
    leave(parts.run_relay(context.settings()))


@run.command()
def ingress() -> None:
    """Run an ingress, which takes commands of other systems in, and dead letters out of RabbitMQ."""
    require_servers()
    leave(parts.run_ingress(context.settings()))


@run.command()
def producer() -> None:
    """Run the periodic producer: schedules, and the sweep of what should have moved."""
    require_tables()
    leave(parts.run_producer(context.settings()))


@run.command("all")
@processes_option
@threads_option
def all_(processes: int, threads: int) -> None:
    """Run worker, relay, ingress and producer together, each a process."""
    require_servers()
    leave(parts.run_all(context.settings(), processes=processes, threads=threads))


def require_servers() -> None:
    """Say at once that the database or RabbitMQ is not ready. Raises Fault, ServerDownError."""
    require_tables()
    # Asked before the part begins to log: a person then reads one line instead of pika's twenty.
    parts.reach_rabbit(context.settings())


def require_tables() -> None:
    """Say at once that the database is not ready. Raises Fault."""
    if behind(context.database()):
        raise Fault("the database has not the tables of this version: run `certline init`")
    context.vault()
    # Workers are forked: no connection of this process may be shared with them.
    context.database().close()
