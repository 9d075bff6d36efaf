"""Publication: a stored provider, opened with its credentials, and what its program has printed."""

from functools import partial

from sqlalchemy.orm import Session

from certline.models import Command, DnsProvider
from certline.models.domains.provider import credentials_of
from certline.workers.dns import DnsError, Provider, Resolution, open_provider
from certline.workers.runtime.context import WorkerContext


def opened(context: WorkerContext, row: DnsProvider) -> Provider:
    """Return a provider with its credentials, which must stay in memory. Nothing is sent yet.

    Raises DnsRefused for settings that cannot be used, WrongSecretKeyError, WithdrawnVaultError.
    """
    # A program of the operator runs as the user that hooks run as.
    settings = {**row.settings, "zones": row.zones, "user": context.settings.hook_user}
    return open_provider(row.kind.value, settings, credentials_of(context.vault, row))


def resolution_of(row: DnsProvider | None) -> Resolution:
    """Return how names are looked up for the proofs of a provider; None: as the system does."""
    settings = {} if row is None else row.settings
    return Resolution(
        resolvers=tuple(settings.get("resolvers", ())),
        nameservers=tuple(settings.get("nameservers", ())),
    )


def output_kept(context: WorkerContext, error: DnsError, command_id: str) -> str:
    """Keep what a program has printed with the command, and return the error's text, which says where it is.

    People are shown the output, but it is neither logged nor in an event.
    """
    if not error.output:
        return str(error)
    context.store(partial(_keep_output, command_id=command_id, output=error.output))
    return f"{error}. What it printed: certline command show {command_id}"


def _keep_output(db: Session, command_id: str, output: str) -> None:
    db.get_one(Command, command_id, with_for_update=True).result = {"output": output}
