"""Translation of exceptions from the other packages into sentences that say what to do."""

from __future__ import annotations

import errno
import os
import re
from typing import TYPE_CHECKING, Any

from certline.cli.errors import FAILED, NO_SERVER, WRONG_USE, Fault
from certline.models.server_url import without_password
from certline.models.settings import InvalidSettingsError, UnknownVariableError, settings
from certline.models.validation import SURROGATE, BadCommandError

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

# Fields whose option is not simply `--` and the field's name.
OPTIONS = {
    "sans": "--san",
    "external_requesters": "--external-requester",
    "custom_fields": "--custom-field",
    "keystore_password_sealed": "--keystore-password-file",
    "resources": "RESOURCES",
    "certificate": "CERT",
    "accounts": "--account",
    "organizations": "--organization",
    "name": "NAME",
}
FIELDS = frozenset(
    {
        "account",
        "amqp_user",
        "commands",
        "comments",
        "common_name",
        "csr",
        "key_algorithm",
        "key_size",
        "keystore_type",
        "names",
        "order",
        "organization",
        "profile",
        "reason",
        "status",
        "term",
        *OPTIONS,
    }
)
# Matches the field at the start of a problem; `sans.1: …` is an item of a list.
FIELD = re.compile(r"([a-z_]+)(?:\.[^:\s]+)?: ")
OTHER_KEY = (
    "CERTLINE_SECRET_KEY needs every key of the installation, newest first (docs/keys.md). "
    "If one is lost for good: certline keys forget KEY"
)
# SQLSTATEs of a missing table and a missing column: the schema is older than the code.
NO_SUCH_TABLE = ("42P01", "42703")
# SQLSTATE of a missing right: the tables' owner has to migrate them, and grants the rights on them.
FORBIDDEN = "42501"
# SQLSTATE prefixes for a server that is unreachable, refuses logins, or is starting or stopping:
# connection (08), login (28), no such database (3D), resources (53), shutdown (57P).
NOT_THERE = ("08", "28", "3D", "53", "57P")
# Errors of the operating system that concern a file or folder the user has named, or the disk.
PATHS = {
    errno.EACCES: "permission denied",
    errno.EDQUOT: "the quota is used up",
    errno.EEXIST: "it exists already",
    errno.EFBIG: "it would be too large",
    errno.EISDIR: "it is a folder",
    errno.ELOOP: "too many symbolic links",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ENOENT: "there is no such file or folder",
    errno.ENOSPC: "the disk is full",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EPERM: "not permitted",
    errno.EROFS: "the file system is read-only",
}


# The errors that say themselves what to do, with their exit codes. By name, because importing a class loads its
# part, and all but the one that raised the error are of no use.
PLAIN = {
    "certline.models.commands.command.OtherCommandError": FAILED,
    "certline.models.database.app_role.AppRoleError": FAILED,
    "certline.models.database.postgres_account.NoDatabaseError": FAILED,
    "certline.models.file_rights.UnsafeFileError": FAILED,
    "certline.models.key_proof.UnprovenKeyError": WRONG_USE,
    "certline.models.vault.NoSecretKeyError": FAILED,
    "certline.models.vault.WrongSecretKeyError": FAILED,
    "certline.producers.messaging.queues.NoAnswerError": FAILED,
    "certline.producers.processes.NeedsRabbitError": FAILED,
    "certline.producers.processes.ServerDownError": NO_SERVER,
    "certline.producers.requests.accounts.SuspendedError": FAILED,
    "certline.workers.tracing.switch.TracingSetupError": WRONG_USE,
}
UNPROVEN = "certline.models.key_proof.UnprovenKeyError"
SEVERAL = "certline.models.certificates.certificate.SeveralCertificatesError"
DATABASE = "sqlalchemy.exc.DBAPIError"
BAD_URL = "sqlalchemy.exc.ArgumentError"


def explain(error: Any) -> Fault | None:
    """Return the fault to report for an exception, or None for an internal error."""
    names = [f"{each.__module__}.{each.__qualname__}" for each in type(error).__mro__]
    if isinstance(error, BadCommandError):
        return bad_command(error)
    if SEVERAL in names:
        return Fault(f"{error}; name one by its id:", code=WRONG_USE, problems=error.candidates)
    if DATABASE in names:
        return _database(error)
    if BAD_URL in names:
        return Fault(
            "CERTLINE_DATABASE_URL is invalid; expected postgresql://user:password@host/database",
            code=WRONG_USE,
        )
    for name in names:
        if name in PLAIN:
            hint = OTHER_KEY if name == UNPROVEN else ""
            return Fault(str(error), code=PLAIN[name], hint=hint)
    return _of_system(error)


def path_fault(error: OSError, name: object = None, *, code: int = FAILED) -> Fault:
    """Return the fault for a file or folder that cannot be used; `name`: as the user named it, if known."""
    named = name if name is not None else error.filename2 or error.filename
    where = (
        "a file or the output"
        if named is None
        else os.fsdecode(named)
        if isinstance(named, bytes)
        else named
    )
    why = PATHS.get(error.errno or 0) or error.strerror or type(error).__name__
    return Fault(f"{where} cannot be used: {why}", code=code)


def _of_system(error: Exception) -> Fault | None:
    """Return the fault for an error of the environment, of a text or of the file system; None for any other."""
    match error:
        case UnknownVariableError() | InvalidSettingsError():
            return _invalid_variables(error.problems)
        case UnicodeEncodeError():
            return Fault(f"a text contains {SURROGATE}, which cannot be stored", code=WRONG_USE)
        case OSError() if error.errno in PATHS:
            return path_fault(error)
        case _:
            return None


def _invalid_variables(problems: list[str]) -> Fault:
    return Fault("these environment variables are invalid:", problems=problems, code=WRONG_USE)


def bad_command(error: BadCommandError) -> Fault:
    """Return a fault with every problem of a command, naming options instead of fields."""
    problems = [_with_option(problem) for problem in error.problems]
    if len(problems) == 1:
        return Fault(problems[0], code=WRONG_USE, problems=problems)
    message = f"{len(problems)} problems:"
    return Fault(message, code=WRONG_USE, problems=problems)


def _with_option(problem: str) -> str:
    found = FIELD.match(problem)
    if found is None or found[1] not in FIELDS:
        return problem
    option = OPTIONS.get(found[1], "--" + found[1].replace("_", "-"))
    return f"{option}: {problem[found.end() :]}"


def _database(error: DBAPIError) -> Fault | None:
    import psycopg
    from sqlalchemy.exc import InterfaceError, OperationalError

    from certline.models.database.session import blames_the_data

    state: str = getattr(error.orig, "sqlstate", None) or ""
    if state in NO_SUCH_TABLE:
        return Fault(
            "the database does not have the tables of this version yet: run `certline init`"
        )
    why = str(error.orig).strip().partition("\n")[0]
    if blames_the_data(error) or isinstance(error.orig, psycopg.DataError):
        # Whatever the checks before it have missed: a number beyond its column, a text too long for an index.
        return Fault(
            f"Postgres cannot store or compare one of the values given: {why}", code=WRONG_USE
        )
    if state == FORBIDDEN:
        return Fault(
            f"Postgres refused: {why}",
            hint="This login does not own the tables, or lacks a right to one. "
            "Let their owner run: certline init",
        )
    url = settings().database_url
    where = without_password(url.get_secret_value()) if url else "the embedded address"
    if not state and isinstance(error.orig, psycopg.ProgrammingError):  # libpq refuses the URL
        return Fault(f"CERTLINE_DATABASE_URL ({where}) is invalid: {why}", code=WRONG_USE)
    if not isinstance(error, OperationalError | InterfaceError):
        return None
    if state and not state.startswith(NOT_THERE):
        return Fault(f"Postgres at {where} refused: {why}")
    _, fatal, reason = why.partition("FATAL:")
    if fatal:  # it has answered: no such role or database, a wrong password, too many connections
        return Fault(
            f"Postgres at {where} refuses the connection: {reason.strip()}", code=NO_SERVER
        )
    return Fault(f"Postgres at {where} does not answer: {why}", code=NO_SERVER)
