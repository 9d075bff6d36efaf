"""The context of a command: the settings, the database, the vault and the user."""

import getpass
import logging
import os
import sys

import click
import structlog

from certline.models import Database
from certline.models.database.embedded_postgres import database_url
from certline.models.settings import Settings
from certline.models.settings import settings as from_environment
from certline.models.vault import Vault, open_vault

DATABASE = "certline.database"


def settings() -> Settings:
    """Return the settings of this process."""
    return from_environment()


def database() -> Database:
    """Return the database, opened once per call; this starts the embedded one if none is configured."""
    context = click.get_current_context().find_root()
    opened = context.meta.get(DATABASE)
    if isinstance(opened, Database):
        return opened
    _log_beside_the_answer()
    # One connection is enough: a command runs in a single thread.
    fresh = Database(database_url(settings()), pool_size=1)
    context.meta[DATABASE] = fresh
    context.call_on_close(fresh.close)
    return fresh


def vault() -> Vault:
    """Return the vault, which encrypts and decrypts stored secrets."""
    return open_vault(settings())


def person() -> str:
    """Return the user's name in the operating system, for the audit log.

    A name in CERTLINE_WHO is recorded beside it, as a claim: whoever runs the command can set it.
    """
    try:
        known = getpass.getuser()
    except (KeyError, OSError):  # in a container, the uid may have no passwd entry
        known = f"uid {os.getuid()}"
    claimed = "".join(filter(str.isprintable, settings().who or "")).strip()
    return f"{known} (claims to be {claimed})" if claimed else known


def _log_beside_the_answer() -> None:
    """Send warnings of all parts to standard error, beside the command's output.

    structlog logs to standard output by default. The long-running parts configure it again for themselves.
    """
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
