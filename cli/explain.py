"""Faults of the parts below, as sentences that say what to do."""

import re

import pydantic
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError

from certline.cli.errors import FAILED, NO_SERVER, WRONG_USE, Fault
from certline.models.certificates.certificate import SeveralCertificatesError
from certline.models.commands.command import OtherCommandError
from certline.models.database.embedded import NoDatabaseError
from certline.models.settings import settings, without_password
from certline.models.validation import BadCommandError
from certline.models.vault import NoSecretKeyError, WrongSecretKeyError
from certline.producers.processes import NeedsRabbitError, ServerDownError
from certline.producers.requests.orders import SuspendedError

# Fields whose option has another name.
OPTIONS = {
    "sans": "--san",
    "external_requesters": "--external-requester",
    "custom_fields": "--custom-field",
    "keystore_password_sealed": "--keystore-password-file",
    "resources": "RESOURCES",
    "certificate": "CERT",
}
FIELDS = frozenset(
    {
        "account",
        "comments",
        "common_name",
        "csr",
        "key_algorithm",
        "key_size",
        "keystore_type",
        "order",
        "organization",
        "profile",
        "reason",
        "status",
        "term",
        *OPTIONS,
    }
)
# `sans.1: …` names an item of a list.
FIELD = re.compile(r"([a-z_]+)(?:\.[^:\s]+)?: ")
# A table or a column that is not there.
NO_SUCH_TABLE = ("42P01", "42703")
# SQLSTATE classes of a server that cannot be reached, lets nobody in, or is going down or up.
NOT_THERE = ("08", "28", "3D", "53", "57P")


def explain(error: Exception) -> Fault | None:
    """The fault as a person is told; None for one that is ours."""
    match error:
        case BadCommandError():
            return bad_command(error)
        case SeveralCertificatesError():
            return Fault(
                f"{error}; say which one by its id:", code=WRONG_USE, problems=error.candidates
            )
        case pydantic.ValidationError() if error.title == "Settings":
            return Fault("the environment is not right:", problems=_variables(error))
        case DBAPIError():
            return _database(error)
        case ArgumentError():
            return Fault(
                "CERTLINE_DATABASE_URL cannot be read; it looks like postgresql://user:password@host/database"
            )
        case ServerDownError():
            return Fault(str(error), code=NO_SERVER)
        case (
            NoDatabaseError()
            | NoSecretKeyError()
            | WrongSecretKeyError()
            | NeedsRabbitError()
            | OtherCommandError()
            | SuspendedError()
        ):
            return Fault(str(error), code=FAILED)
        case _:
            return None


def bad_command(error: BadCommandError) -> Fault:
    """Every problem of a command, with the options' names in place of the fields'."""
    problems = [_with_option(problem) for problem in error.problems]
    if len(problems) == 1:
        return Fault(problems[0], code=WRONG_USE, problems=problems)
    message = f"{len(problems)} things are wrong:"
    return Fault(message, code=WRONG_USE, problems=problems)


def _with_option(problem: str) -> str:
    found = FIELD.match(problem)
    if found is None or found[1] not in FIELDS:
        return problem
    option = OPTIONS.get(found[1], "--" + found[1].replace("_", "-"))
    return f"{option}: {problem[found.end() :]}"


def _variables(error: pydantic.ValidationError) -> list[str]:
    # Never the value: it may be a secret.
    return [
        f"CERTLINE_{'_'.join(map(str, fault['loc'])).upper()}: {fault['msg']}"
        for fault in error.errors(include_input=False, include_context=False, include_url=False)
    ]


def _database(error: DBAPIError) -> Fault | None:
    state: str = getattr(error.orig, "sqlstate", None) or ""
    if state in NO_SUCH_TABLE:
        return Fault("the database has no tables of this version yet: run `certline init`")
    if not isinstance(error, OperationalError | InterfaceError):
        return None
    why = str(error.orig).strip().partition("\n")[0]
    url = settings().database_url
    where = without_password(url.get_secret_value()) if url else "the embedded address"
    if state and not state.startswith(NOT_THERE):
        return Fault(f"Postgres at {where} refused: {why}")
    return Fault(f"Postgres at {where} does not answer: {why}", code=NO_SERVER)
