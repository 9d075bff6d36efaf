"""Confirmation of what cannot be undone, or costs money: asked on a terminal, elsewhere required as --yes."""

import sys

import click

from certline.cli.errors import NOTHING, WRONG_USE, Fault
from certline.workers.process.visible import visible


def confirm(facts: str, question: str, *, yes: bool, declined: str) -> None:
    """Ask before something that cannot be undone; without a terminal `--yes` has to be given.

    `facts` say what it is about, `declined` what did not happen. Raises Fault if it is not confirmed.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Fault(
            f"{declined}: without a terminal this has to be confirmed by --yes",
            code=WRONG_USE,
            problems=[f"{facts}. {question}"],
        )
    click.echo(visible(facts), err=True)
    if not click.confirm(visible(question), err=True):
        raise Fault(declined, code=NOTHING)
