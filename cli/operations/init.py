"""`certline init`: creates the tables and, in embedded mode, the secret key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from certline.cli import context
from certline.cli.errors import WRONG_USE, Fault
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.output import answer, facts, say, whisper
from certline.models.documents.license import LicenseDocument
from certline.models.server_url import without_password

if TYPE_CHECKING:
    from sqlalchemy import Connection


@click.command(cls=CliCommand)
@click.option(
    "--app-role",
    metavar="NAME",
    help="Give this role of Postgres what the parts need, and not the right to change the audit log. "
    "[default: CERTLINE_APP_ROLE]",
)
@click.option(
    "--board-role",
    metavar="NAME",
    help="Let this role of Postgres read what the board shows, and nothing else. "
    "[default: CERTLINE_BOARD_ROLE]",
)
def init(app_role: str | None, board_role: str | None) -> None:
    """Prepare the database and, in embedded mode, the secret key; safe to repeat.

    With --app-role the parts log in with fewer rights than the owner of the tables, who is needed for this command
    only. The role is made if CERTLINE_APP_PASSWORD has its password, that of the board if CERTLINE_BOARD_PASSWORD
    has it. Rights given once are given anew with each migration.
    """
    from certline.models.certificates.license import license_use
    from certline.models.database.migrate import behind, upgrade

    database, settings = context.database(), context.settings()
    app_role = app_role or settings.app_role
    board_role = board_role or settings.board_role
    for option, name in (("--app-role", app_role), ("--board-role", board_role)):
        if name and settings.embedded:
            raise Fault(f"{option}: the embedded Postgres has a single user", code=WRONG_USE)
    if app_role and app_role == board_role:
        raise Fault("--board-role: the board needs a role of its own", code=WRONG_USE)
    migrated = behind(database)
    if migrated:  # False too if the tables are those of a newer version
        upgrade(database.url)
    role = _prepared_app(app_role) if app_role else None
    reader = _prepared_board(board_role) if board_role else None
    where = str(settings.home / "postgres") if settings.embedded else without_password(database.url)
    key = _secret_key()
    with database.transaction() as db:
        use = license_use(db)
    document = {
        "database": where,
        "embedded": settings.embedded,
        "migrated": migrated,
        "secret_key": key,
        "app_role": app_role,
        "board_role": board_role,
        "license": LicenseDocument.of(use),
    }
    people = {
        "database": where,
        "tables": "migrated to this version" if migrated else "already those of this version",
        **({"app role": role} if role else {}),
        **({"board role": reader} if reader else {}),
        "secret key": key or "none",
        "licence": f"{use.used} of {use.capacity} in use (certline license set N)",
    }
    answer(document, lambda: facts(people))
    say("\nNext: certline account add NAME --url URL --customer-uri URI --login LOGIN")


def _prepared_app(role: str) -> str:
    """Make the app role, or give it its rights. Returns what was done. Raises Fault, AppRoleError."""
    from certline.models.database.app_role import grant_rights, prepare_role

    given = context.settings().app_password
    with _owner("--app-role") as connection:
        made = prepare_role(connection, role, given.get_secret_value() if given else None)
        grant_rights(connection, role)
    return f"{role} was made" if made else f"{role} has the rights that the parts need"


def _prepared_board(role: str) -> str:
    """Make the board's role, or give it its rights. Returns what was done. Raises Fault, AppRoleError."""
    from certline.models.database.app_role import prepare_role
    from certline.models.database.board_role import grant_reading

    given = context.settings().board_password
    password = given.get_secret_value() if given else None
    with _owner("--board-role") as connection:
        made = prepare_role(connection, role, password, "CERTLINE_BOARD_PASSWORD")
        grant_reading(connection, role)
    return f"{role} was made" if made else f"{role} may read what the board shows"


@contextmanager
def _owner(option: str) -> Iterator[Connection]:
    """Yield a connection of the owner of the tables, for an option that gives rights. Raises Fault."""
    from certline.models.database.app_role import own_standing

    with context.database().engine.begin() as connection:
        own = own_standing(connection)
        if not own.owns:
            raise Fault(
                f"{option}: {own.role} does not own the tables, and cannot give rights to them",
                hint="Run it with the owner's CERTLINE_DATABASE_URL.",
            )
        yield connection


def _secret_key() -> str | None:
    from certline.models.vault import NoSecretKeyError

    settings = context.settings()
    made = settings.home / "secret.key"
    # Opening the vault creates the embedded key, so whether it is new has to be known first.
    before = made.exists()
    try:
        context.vault()
    except NoSecretKeyError as error:
        # The tables need no secret key, but all further work does.
        whisper(
            f"note: the tables are ready; workers, ingress and the command line need a key: {error}"
        )
        return None
    if settings.secret_key is not None:
        return "CERTLINE_SECRET_KEY"
    if settings.secret_key_file is not None:
        return str(settings.secret_key_file)
    if not before:
        whisper(
            f"The secret key {made} was created. Keep a copy: without it no stored key can be read."
        )
    return str(made)
