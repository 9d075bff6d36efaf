"""Print an error to a user or a program, and return the exit code."""

import json
import os
import traceback

import click

from certline.cli import streams
from certline.cli.errors import STOPPED, Fault
from certline.cli.explain import explain
from certline.workers.process.visible import visible, visible_json

# Characters of a sentence.
LONGEST = 2_000


def tell(error: Exception, *, as_json: bool) -> int:
    """Print an error (as JSON, or as text on standard error) and return the exit code."""
    if isinstance(error, Fault):
        fault = error
    elif isinstance(error, click.ClickException | click.Abort):
        fault = _of_click(error)
    else:
        fault = explain(error) or _bug(error)
    if as_json:
        problems = [in_brief(problem) for problem in fault.problems]
        told = {"message": in_brief(fault.message), "problems": problems, "exit_code": fault.code}
        # ASCII: an error may quote what no terminal shows and no encoding writes.
        text = json.dumps({"error": told}, indent=2, ensure_ascii=not _is_utf8(told))
        click.echo(visible_json(text))
    else:
        click.echo(f"certline: {_line(fault.message)}", err=True)
        for problem in fault.problems if fault.problems != [fault.message] else []:
            click.echo(f"  {_line(problem)}", err=True)
    if fault.hint:
        click.echo(visible(fault.hint), err=True)
    return fault.code


def in_brief(text: str) -> str:
    """Return a text of at most LONGEST characters: what it quotes may be a whole file typed as an option."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)"


def _line(text: str) -> str:
    """Return a text that is safe on a terminal: shortened, control characters (not line ends) made visible."""
    return visible(in_brief(text))


def _is_utf8(document: object) -> bool:
    return streams.shows(json.dumps(document, ensure_ascii=False))


def _of_click(error: click.ClickException | click.Abort) -> Fault:
    if isinstance(error, click.Abort):
        return Fault("stopped", code=STOPPED)
    hint = ""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        context = error.ctx
        usage = " ".join(context.command.collect_usage_pieces(context))
        hint = f"Usage: {context.command_path} {usage}\nHelp:  {context.command_path} --help"
    problems = getattr(error, "problems", ())
    return Fault(error.format_message(), code=error.exit_code, problems=problems, hint=hint)


def _bug(error: Exception) -> Fault:
    if os.environ.get("CERTLINE_DEBUG"):
        # A plain traceback without local variables, because those may hold secrets.
        click.echo(visible("".join(traceback.format_exception(error))), err=True, nl=False)
        hint = ""
    else:
        hint = "For the traceback, run the command again with CERTLINE_DEBUG=1."
    # Report the driver's error: SQLAlchemy's own text includes the statement and its parameters.
    cause = getattr(error, "orig", None) or error
    text = " ".join(str(cause).split())
    return Fault(f"internal error in certline: {type(error).__name__}: {text}", hint=hint)
