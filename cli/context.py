"""What a command works with: the settings, the database, the vault, and who is typing."""

import getpass
import logging
import os
import sys

import click
import structlog

from certline.models import Database
from certline.models.database.embedded import database_url
from certline.models.settings import Settings
from certline.models.settings import settings as from_environment
from certline.models.vault import Vault, open_vault

DATABASE = "certline.database"


def settings() -> Settings:
    """The settings of this process."""
    return from_environment()


def database() -> Database:
    """The database, opened once a call; the embedded one starts when it is first asked for."""
    context = click.get_current_context().find_root()
    opened = context.meta.get(DATABASE)
    if isinstance(opened, Database):
        return opened
    _log_beside_the_answer()
    fresh = Database(database_url(settings()), pool_size=1)
    context.meta[DATABASE] = fresh
    context.call_on_close(fresh.close)
    return fresh


def vault() -> Vault:
    """Where secrets are sealed and opened."""
    return open_vault(settings())


def person() -> str:
    """Who is typing: the user of the operating system."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid {os.getuid()}"


def _log_beside_the_answer() -> None:
    """What the parts log while a person waits: warnings, on standard error.

    structlog's own default is standard output. The long-running parts say it anew for themselves.
    """
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
