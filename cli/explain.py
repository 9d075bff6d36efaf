"""Translation of exceptions from the other packages into sentences that say what to do."""

import re

import pydantic
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError

from certline.cli.errors import FAILED, NO_SERVER, WRONG_USE, Fault
from certline.models.certificates.certificate import SeveralCertificatesError
from certline.models.commands.command import OtherCommandError
from certline.models.database.embedded_postgres import NoDatabaseError
from certline.models.key_proof import UnprovenKeyError
from certline.models.settings import settings, without_password
from certline.models.validation import BadCommandError
from certline.models.vault import NoSecretKeyError, WrongSecretKeyError
from certline.producers.messaging.queues import NoAnswerError
from certline.producers.processes import NeedsRabbitError, ServerDownError
from certline.producers.requests.accounts import SuspendedError

# Fields whose option is not simply `--` and the field's name.
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
# Matches the field at the start of a problem; `sans.1: …` is an item of a list.
FIELD = re.compile(r"([a-z_]+)(?:\.[^:\s]+)?: ")
OTHER_KEY = (
    "CERTLINE_SECRET_KEY needs every key of the installation, newest first (docs/keys.md). "
    "If one is lost for good: certline keys forget KEY"
)
# SQLSTATEs of a missing table and a missing column: the schema is older than the code.
NO_SUCH_TABLE = ("42P01", "42703")
# SQLSTATE prefixes for a server that is unreachable, refuses logins, or is starting or stopping:
# connection (08), login (28), no such database (3D), resources (53), shutdown (57P).
NOT_THERE = ("08", "28", "3D", "53", "57P")


def explain(error: Exception) -> Fault | None:
    """Return the fault to report for an exception, or None for an internal error."""
    match error:
        case BadCommandError():
            return bad_command(error)
        case SeveralCertificatesError():
            return Fault(f"{error}; name one by its id:", code=WRONG_USE, problems=error.candidates)
        case pydantic.ValidationError() if error.title == "Settings":
            return Fault("these environment variables are invalid:", problems=_variables(error))
        case DBAPIError():
            return _database(error)
        case ArgumentError():
            return Fault(
                "CERTLINE_DATABASE_URL is invalid; expected postgresql://user:password@host/database"
            )
        case UnprovenKeyError():
            return Fault(str(error), code=WRONG_USE, hint=OTHER_KEY)
        case NoAnswerError():
            return Fault(str(error), code=FAILED)
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


def _variables(error: pydantic.ValidationError) -> list[str]:
    # Without the value, which may be a secret.
    return [
        f"CERTLINE_{'_'.join(map(str, fault['loc'])).upper()}: {fault['msg']}"
        for fault in error.errors(include_input=False, include_context=False, include_url=False)
    ]


def _database(error: DBAPIError) -> Fault | None:
    state: str = getattr(error.orig, "sqlstate", None) or ""
    if state in NO_SUCH_TABLE:
        return Fault(
            "the database does not have the tables of this version yet: run `certline init`"
        )
    if not isinstance(error, OperationalError | InterfaceError):
        return None
    why = str(error.orig).strip().partition("\n")[0]
    url = settings().database_url
    where = without_password(url.get_secret_value()) if url else "the embedded address"
    if state and not state.startswith(NOT_THERE):
        return Fault(f"Postgres at {where} refused: {why}")
    return Fault(f"Postgres at {where} does not answer: {why}", code=NO_SERVER)
