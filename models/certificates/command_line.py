"""Command lines of deploy hooks: split into words as a shell does it, and run without a shell."""

import re
import shlex
from collections.abc import Iterator

# What only a shell understands, outside quotes. The longer operators come first, so that they are named whole.
_OPERATOR = re.compile(r"\|\||&&|>>|<<|\$\(|\$\{|\$\w|[|&;<>()`\n]")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


def problems_with_command_line(command: str) -> list[str]:
    """Return why a command line can't be run without a shell, one sentence each."""
    if "\0" in command:
        return ["contains the character NUL"]
    try:
        words = shlex.split(command)
    except ValueError as unclear:
        return [str(unclear)]
    if not words:
        return ["is empty"]
    return list(_shell_syntax(command, words[0]))


def _shell_syntax(command: str, program: str) -> Iterator[str]:
    operator = _OPERATOR.search(_outside_quotes(command))
    if operator is not None:
        sign = "a line break" if operator[0] == "\n" else repr(operator[0])
        yield (
            f"{sign} is for a shell, and a hook's command runs without one: it would be passed to the program "
            "as text. If it is part of an argument, quote it; to run a shell: "
            """--command "sh -c '...'", or a script of your own"""
        )
    elif _ASSIGNMENT.match(program):
        yield (
            f"{program!r} would be run as a program; to set a variable for one: "
            f"--command 'env {program} PROGRAM ...'"
        )
    elif program.startswith("~"):
        yield f"{program!r}: the home directory is not filled in without a shell; write the whole path"


def _outside_quotes(command: str) -> str:
    """Return the command line without its quoted and escaped parts. The quotes must be balanced."""
    kept, quote, place = [], "", 0
    while place < len(command):
        sign = command[place]
        if sign == "\\" and quote != "'":
            place += 1  # the next character has no meaning of its own
        elif quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        else:
            kept.append(sign)
        place += 1
    return "".join(kept)
