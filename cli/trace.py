"""The span of a typed command, above everything that it leads to. Loaded only where OpenTelemetry is set up."""

import logging

import click

from certline.workers.process.visible import visible
from certline.workers.tracing.discreet import LOGGER
from certline.workers.tracing.setup import COMMAND_WITHIN, start_tracing
from certline.workers.tracing.span import recorder_in_use, span
from certline.workers.tracing.switch import TracingSetupError

# Commands that run until they are stopped: each message and schedule there has a span of its own.
PARTS = frozenset({"run", "up", "demo", "simulator"})


def record_command() -> None:
    """Record the command that is being carried out, if tracing is on, until its context is closed.

    What it has done counts for more: where OpenTelemetry is missing the user is warned, and where a collector is
    silent COMMAND_WITHIN seconds are waited at most.
    """
    context = click.get_current_context()
    root = context.find_root()
    if root.invoked_subcommand in PARTS:
        return
    # Before it reads its variables: it repeats headers that it cannot read, which hold a token.
    logging.getLogger(LOGGER).setLevel(logging.CRITICAL)
    try:
        end = start_tracing("cli")
    except TracingSetupError as wrong:
        click.echo(visible(f"warning: nothing is traced: {wrong}"), err=True)
        return
    if recorder_in_use() is not None:
        root.call_on_close(lambda: end(COMMAND_WITHIN))
        root.with_resource(span(context.command_path))
