"""The context of a command: the settings, the database, the vault and the user."""

from __future__ import annotations

import gc
import logging
import os
import sys
from typing import TYPE_CHECKING

import click

from certline.models.audit.identity import Identity
from certline.workers.process.visible import visible_entry

if TYPE_CHECKING:
    from certline.models import Database
    from certline.models.settings import Settings
    from certline.models.vault import Vault

DATABASE = "certline.database"
VAULT = "certline.vault"
LOGS = "certline.logs"
TRACE = "certline.trace"


def settings() -> Settings:
    """Return the settings of this process."""
    from certline.models.settings import settings as from_environment

    return from_environment()


def database() -> Database:
    """Return the database, opened once per call; this starts the embedded one if none is configured."""
    from certline.models.database.session import Database

    _log_beside_the_answer()
    if any(name.startswith("OTEL_") for name in os.environ):
        _record_command()
    context = click.get_current_context().find_root()
    opened = context.meta.get(DATABASE)
    if isinstance(opened, Database):
        return opened
    # What is loaded by now stays; the collector, off since the start of the command, need not look at it again.
    gc.freeze()
    gc.enable()
    # One connection is enough: a command runs in a single thread.
    fresh = Database(_database_url(settings()), pool_size=1)
    context.meta[DATABASE] = fresh
    context.call_on_close(fresh.close)
    return fresh


def _record_command() -> None:
    from certline.cli.trace import record_command

    context = click.get_current_context().find_root()
    if not context.meta.get(TRACE):
        context.meta[TRACE] = True
        record_command()


def _database_url(given: Settings) -> str:
    if given.database_url is not None:
        return given.database_url.get_secret_value()
    from certline.models.database.embedded_postgres import database_url

    return database_url(given)


def vault() -> Vault:
    """Return the vault, which encrypts and decrypts stored secrets, once its keys are proven on what is stored.

    Raises UnprovenKeyError if they are not those of the installation.
    """
    from certline.models.key_proof import UnprovenKeyError, prove
    from certline.models.vault import Vault, open_vault

    context = click.get_current_context().find_root()
    opened = context.meta.get(VAULT)
    if isinstance(opened, Vault):
        return opened
    own_key = settings().home / "secret.key"
    had_key = own_key.exists()
    fresh = open_vault(settings())
    try:
        with database().transaction() as db:
            prove(db, fresh, who=person())
    except UnprovenKeyError as error:
        # Made just now, in place of one that is missing; left there, it would look like the right one.
        if not had_key and own_key.exists():
            own_key.unlink()
            raise UnprovenKeyError(f"the secret key {own_key} is missing: {error}") from None
        raise
    context.meta[VAULT] = fresh
    return fresh


def unproven_vault() -> Vault:
    """Return the vault without a proof of its keys, for commands that report or repair them.

    Raises NoSecretKeyError, also if the embedded installation has no key yet: none is made here.
    """
    from certline.models.vault import NoSecretKeyError, open_vault

    given = settings()
    own_key = given.home / "secret.key"
    configured = given.secret_key is not None or given.secret_key_file is not None
    if given.embedded and not configured and not own_key.exists():
        raise NoSecretKeyError(f"there is no secret key {own_key} yet: certline init makes it")
    return open_vault(given)


def person() -> Identity:
    """Return the user in the operating system, for the audit log; CERTLINE_WHO is a claim beside the name."""
    return Identity.of_operating_system(settings().who)


def _log_beside_the_answer() -> None:
    """Send warnings of all parts to standard error, beside the command's output, if a part that logs is loaded.

    structlog logs to standard output by default. The long-running parts configure it again for themselves.
    """
    structlog = sys.modules.get("structlog")
    context = click.get_current_context().find_root()
    if structlog is None or context.meta.get(LOGS):
        return
    context.meta[LOGS] = True
    *others, renderer = structlog.get_config()["processors"]
    structlog.configure(
        processors=[
            *(each for each in others if each is not visible_entry),
            visible_entry,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
