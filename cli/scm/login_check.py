"""A login that is tried at SCM: what it lacks, why SCM refused it, and the first sync that follows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from certline.cli import context
from certline.cli.errors import NO_SERVER, Fault
from certline.cli.ui.output import say

if TYPE_CHECKING:
    from certline.models import Command
    from certline.workers.account_check import Examined
    from certline.workers.scm import AnyLogin, ScmError


def ask_scm(login: AnyLogin) -> Examined:
    """Try the login at SCM, and check its rights. Raises ScmError."""
    from certline.workers.account_check import examine
    from certline.workers.runtime.context import scm_client

    client = scm_client(login, context.settings())
    try:
        return examine(client, login, datetime.now(UTC).date())
    finally:
        client.close()


def seen(examined: Examined) -> dict[str, Any]:
    """Return what the check has found, as keys of a document."""
    return {
        "roles": list(examined.roles),
        "missing": list(examined.missing),
        "unknown": list(examined.unknown),
    }


def say_what_is_missing(examined: Examined) -> None:
    """Print what the login lacks, and what SCM does not reveal."""
    _say_each("What it lacks at SCM:", examined.missing)
    _say_each("What SCM does not reveal:", examined.unknown)


def _say_each(head: str, sentences: Sequence[str]) -> None:
    if sentences:
        say("\n".join([head, *(f"  - {sentence}" for sentence in sentences)]))


def told(error: ScmError, login: AnyLogin, outcome: str) -> Fault:
    """Return the error to raise: why SCM has not accepted the login, and the `outcome` of the command."""
    from certline.workers.scm import LoginRefused, NotSent, OutcomeUnknown, Throttled

    match error:
        case LoginRefused():
            return Fault(
                f"SCM refused the login {_who(login)!r}: {error}. {outcome}",
                hint="SCM locks an account after several failed logins: check the secret before trying again.",
            )
        case NotSent() | OutcomeUnknown() | Throttled():
            return Fault(f"SCM at {login.url} does not answer: {error}. {outcome}", code=NO_SERVER)
        case _:
            return Fault(f"SCM refused: {error}. {outcome}")


def _who(login: AnyLogin) -> str:
    from certline.workers.scm import TokenLogin

    return login.client_id if isinstance(login, TokenLogin) else login.login


def sync_of(sync: Command | None) -> dict[str, Any]:
    """Return the id of the first sync, as a key of a document."""
    return {"sync_command": None if sync is None else sync.id}


def say_sync(sync: Command) -> None:
    """Print that the first sync has begun."""
    say(
        "Its organisations, domains and profiles are read in the background; "
        f"wait for it: certline command wait {sync.id}"
    )
