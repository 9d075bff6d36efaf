"""Print an error to a user or a program, and return the exit code."""

import json
import os
import sys
import traceback

import click

from certline.cli.errors import STOPPED, Fault


def tell(error: Exception, *, as_json: bool) -> int:
    """Print an error; answers the exit code."""
    if isinstance(error, Fault):
        fault = error
    elif isinstance(error, click.ClickException | click.Abort):
        fault = _of_click(error)
    else:
        fault = _of_parts(error) or _bug(error)
    if as_json:
        told = {"message": fault.message, "problems": fault.problems, "exit_code": fault.code}
        click.echo(json.dumps({"error": told}, indent=2, ensure_ascii=False))
    else:
        click.echo(f"certline: {fault.message}", err=True)
        for problem in fault.problems if fault.problems != [fault.message] else []:
            click.echo(f"  {problem}", err=True)
    if fault.hint:
        click.echo(fault.hint, err=True)
    return fault.code


def _of_parts(error: Exception) -> Fault | None:
    try:
        from certline.cli.explain import explain  # noqa: PLC0415  # it loads every part that can fail
    except ImportError:  # the installation is not whole, which is what `error` says
        return None
    return explain(error)


def _of_click(error: click.ClickException | click.Abort) -> Fault:
    if isinstance(error, click.Abort):
        return Fault("stopped", code=STOPPED)
    hint = ""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        context = error.ctx
        usage = " ".join(context.command.collect_usage_pieces(context))
        hint = f"Usage: {context.command_path} {usage}\nHelp:  {context.command_path} --help"
    return Fault(error.format_message(), code=error.exit_code, hint=hint)


def _bug(error: Exception) -> Fault:
    if os.environ.get("CERTLINE_DEBUG"):
        # Plain, without the frames' variables: they may hold secrets.
        traceback.print_exception(error, file=sys.stderr)
        hint = ""
    else:
        hint = "With CERTLINE_DEBUG=1 before the command it shows where."
    # SQLAlchemy's own text has the statement and its parameters.
    cause = getattr(error, "orig", None) or error
    text = " ".join(str(cause).split())
    return Fault(f"this is a fault of certline itself: {type(error).__name__}: {text}", hint=hint)
