"""`certline completion`: shell completion of commands and options."""

import click
from click.shell_completion import get_completion_class

from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.output import answer, say


@click.command(cls=CliCommand)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    For example: certline completion bash > ~/.local/share/bash-completion/completions/certline
    """
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  # for mypy: the choice says so
    root = context.find_root().command
    script = kind(root, {}, "certline", "_CERTLINE_COMPLETE").source()
    # Without -r, bash's `read` removes the backslashes that quote the blanks of a name.
    script = script.replace("read type value", "read -r type value")
    answer({"shell": shell, "script": script}, lambda: say(script))
