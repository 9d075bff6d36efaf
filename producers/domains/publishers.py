"""Providers by which the proofs of planned validations will be put in place, or people."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from certline.models.accounts.catalogue import domains
from certline.models.domains.provider import ProviderKind, choose, providers
from certline.models.domains.request import FILES, usual_method
from certline.models.domains.scope import top_domains
from certline.producers.domains.automatic import DomainPlan


def publishers_of(db: Session, planned: Sequence[DomainPlan]) -> dict[tuple[int, str], str | None]:
    """Return the name of the provider for each planned domain, by account id and domain.

    None: a person has to make the record, unless an alias (CNAME) leads it into a provider's zone, which is known
    only once SCM has named the record.
    """
    known = providers(db)
    accounts = {each.account.id for each in planned}
    rows = {own_id: top_domains(domains(db, own_id)) for own_id in accounts}
    found = {}
    for each in planned:
        own_id, domain = each.account.id, each.domain
        method = usual_method(db, domain, rows[own_id].get(domain, ()), known)
        provider = choose(known, domain, record=method not in FILES)
        by_itself = provider is not None and provider.kind is not ProviderKind.MANUAL
        found[own_id, domain] = provider.name if provider is not None and by_itself else None
    return found
