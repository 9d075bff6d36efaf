"""`certline board`: the line in a browser, and who may look at it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from certline.cli import context
from certline.cli.errors import WRONG_USE, Fault
from certline.cli.parameters.number import Whole
from certline.cli.parameters.options import password
from certline.cli.parameters.text_file import TextFile, TextFileType
from certline.cli.ui.grammar import Group
from certline.cli.ui.output import answer, leave, say, whisper

if TYPE_CHECKING:
    from certline.board.access.users_file import UsersFile

Result = TypeVar("Result")

# Those of `certline.board.server`, which no help page loads.
HOST, PORT = "127.0.0.1", 8600
IDLE_MINUTES = 30


def board_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of the board to a command."""
    for option in (
        click.option(
            "--idle-minutes",
            type=Whole(1, 1440),
            default=IDLE_MINUTES,
            show_default=True,
            metavar="N",
            help="A log-in ends after so many minutes without a page.",
        ),
        click.option(
            "--trust-from",
            multiple=True,
            metavar="ADDR",
            help="Address or network of a proxy in front, whose X-Forwarded-For is believed; repeatable.",
        ),
        click.option(
            "--trust-header",
            metavar="NAME",
            help="Header in which a proxy names the user that it has logged in, such as X-Forwarded-User.",
        ),
        click.option(
            "--port",
            type=Whole(0, 65_535),
            default=PORT,
            show_default=True,
            metavar="P",
            help="Port to listen on; 0 picks a free one.",
        ),
        click.option(
            "--host",
            default=HOST,
            show_default=True,
            metavar="H",
            help="Address to listen on; all but this machine's own need a log-in.",
        ),
    ):
        command = option(command)
    return command


@click.group(cls=Group, invoke_without_command=True)
@board_options
def board(**given: Any) -> None:
    """Serve the board: the line in a browser, to look at. It changes nothing, and needs no secret key.

    On this machine it needs no log-in. On another address it does not start without one: CERTLINE_BOARD_USERS_FILE
    (certline board user add NAME), or a proxy that logs people in (--trust-header, --trust-from).
    """
    if click.get_current_context().invoked_subcommand is None:
        serve_board(**given)


def serve_board(
    *,
    host: str,
    port: int,
    trust_header: str | None,
    trust_from: tuple[str, ...],
    idle_minutes: int,
) -> None:
    """Serve the board until Ctrl-C. Raises Fault if everybody could look, or the address cannot be had."""
    from certline.board.access.policy import OpenBoardError, access_policy
    from certline.board.access.session_store import SessionStore
    from certline.board.access.users_file import UsersFileError
    from certline.board.context import open_context
    from certline.board.server import listen, run_board
    from certline.models.database.migrate import behind

    settings = context.settings()
    users = _users_file() if settings.board_users_file is not None else None
    sessions = SessionStore(idle=60 * idle_minutes)
    try:
        access = access_policy(host, users, trust_header, trust_from, sessions)
    except (OpenBoardError, UsersFileError) as wrong:
        raise Fault(str(wrong), code=WRONG_USE) from None
    window = open_context(settings)
    if behind(window.database):
        raise Fault("the database does not have the tables of this version: run `certline init`")
    try:
        listener = listen(host, port)
    except OSError as error:
        raise Fault(
            f"the board cannot listen on {host}:{port}: {error.strerror}",
            hint="Another port: certline board --port N",
        ) from None
    if users is not None and access.proxy is None and not host.startswith("127."):
        whisper(
            "note: passwords are sent as they are; put a proxy with https in front of the board"
        )
    leave(run_board(window, access, listener, announce))


def announce(url: str) -> None:
    """Print the board's address."""
    answer({"url": url}, lambda: say(f"The board: {url}  Ctrl-C stops it."))


@board.group(cls=Group)
def user() -> None:
    """Users of the board, in the file that CERTLINE_BOARD_USERS_FILE names."""


@user.command("add")
@click.argument("name")
@click.option(
    "--password-file",
    type=TextFileType(),
    metavar="FILE",
    help="File whose first line is the password. Default: a prompt, or standard input.",
)
def add_user(name: str, password_file: TextFile | None) -> None:
    """Add a user, or give one another password, which ends the sessions of the old one."""
    users = _users_file()
    given = password(password_file, f"Password of {name} for the board")
    is_new = _without_fault(lambda: users.add(name, given))
    document = {"name": name, "file": str(users.path), "added": is_new}
    done = "may look at the board now" if is_new else "has another password now"
    answer(document, lambda: say(f"{name} {done} ({users.path})"))


@user.command("list")
def list_users() -> None:
    """List the users of the board."""
    users = _users_file()
    names = sorted(_without_fault(users.users)) if users.path.exists() else []
    empty = "There are no users yet. To add one: certline board user add NAME"
    answer([{"name": name} for name in names], lambda: say("\n".join(names) or empty))


@user.command("remove")
@click.argument("name")
def remove_user(name: str) -> None:
    """Remove a user, whose sessions end at once."""
    users = _users_file()
    if not _without_fault(lambda: users.remove(name)):
        raise Fault(
            f"the board has no user {name!r}", hint="To list them: certline board user list"
        )
    answer(
        {"name": name, "removed": True}, lambda: say(f"{name} may not look at the board any more")
    )


def _users_file() -> UsersFile:
    from certline.board.access.users_file import UsersFile

    path: Path | None = context.settings().board_users_file
    if path is None:
        raise Fault(
            "CERTLINE_BOARD_USERS_FILE is not set: which file has the board's users?",
            code=WRONG_USE,
            hint="For example: export CERTLINE_BOARD_USERS_FILE=/etc/certline/board-users",
        )
    return UsersFile(path)


def _without_fault(work: Callable[[], Result]) -> Result:
    from certline.board.access.users_file import UsersFileError

    try:
        return work()
    except UsersFileError as wrong:
        raise Fault(str(wrong), code=WRONG_USE) from None
