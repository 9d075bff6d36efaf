"""Publication: a stored provider, opened with its credentials."""

from certline.models import DnsProvider
from certline.models.domains.provider import credentials_of
from certline.workers.dns import Provider, Resolution, open_provider
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
