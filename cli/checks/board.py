"""Check of the role that the board logs in to Postgres as."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from certline.cli import context
from certline.cli.checks.result import MOST_DETAILS, Finding

if TYPE_CHECKING:
    from certline.models.database.board_role import BoardRights

NAME = "board's role"
# Names that are said of a fault, at most; the details have more.
MOST_NAMES = 3


def check_board_role() -> Finding:
    """Check that the board's role can read what the pages show, and can write nothing."""
    from certline.models.database.board_role import board_rights, board_roles

    settings = context.settings()
    if settings.embedded:
        return Finding(NAME, True, "none is needed: the embedded Postgres has a single user")
    with context.database().engine.connect() as connection:
        roles = board_roles(connection, settings.board_role)
        return judge_board_roles([board_rights(connection, role) for role in roles])


def judge_board_roles(found: list[BoardRights]) -> Finding:
    """Return the finding about the roles of boards: the first that has a fault, or else all of them."""
    if not found:
        said = (
            "none: a board reads as the role of its URL, in sessions that Postgres keeps read-only"
        )
        return Finding(NAME, True, f"{said} (certline init --board-role NAME makes one)")
    for rights in found:
        fault = _fault(rights)
        if fault is not None:
            return fault
    names = " and ".join(rights.role for rights in found)
    return Finding(NAME, True, f"{names} can read what the pages show, and write nothing")


def _fault(rights: BoardRights) -> Finding | None:
    """Return the finding about a role that cannot do what the board needs, or can do more."""
    role, init = rights.role, f"certline init --board-role {quote(rights.role)}"
    if not rights.exists:
        made = f"{init}, as the owner of the tables, with the role's password in CERTLINE_BOARD_PASSWORD"
        return Finding(
            NAME, False, f"Postgres has no role {role}, which the board logs in as", made
        )
    if not rights.enters:
        said = f"{role} cannot log in to this database, so the board shows nothing"
        allow = f"let the administrator of Postgres type: ALTER ROLE {role} LOGIN"
        return Finding(NAME, False, said, f"{allow}; GRANT CONNECT ON DATABASE … TO {role}")
    if rights.why_mighty is not None:
        said = f"{role} can do more than read: {rights.why_mighty}"
        less = "let the administrator of Postgres take that right from it, or make another role"
        return Finding(NAME, False, said, f"{less}: certline init --board-role NAME")
    for names, said in (
        (rights.written, "can write"),
        (rights.too_much, "can read what no page may show:"),
        (rights.unread, "cannot read what the pages show:"),
    ):
        if names:
            again = f"{init}, as the owner of the tables; a right that stays is PUBLIC's or another role's"
            return Finding(
                NAME,
                False,
                f"{role} {said} {_some(names)}",
                again if names is not rights.unread else f"{init}, as the owner of the tables",
                tuple(names[:MOST_DETAILS]) if len(names) > MOST_NAMES else (),
            )
    return None


def _some(names: list[str]) -> str:
    """Return the first names, and how many there are besides."""
    more = len(names) - MOST_NAMES
    said = ", ".join(names[:MOST_NAMES])
    return f"{said} and {more} more" if more > 0 else said
