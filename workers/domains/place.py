"""Places of proofs: which provider writes a validation's proof, and under which name."""

from dataclasses import dataclass

from certline.models.domains.provider import DnsProvider, provider_for, provider_named
from certline.models.domains.validation import Validation
from certline.workers.dns import DnsTryLater, Method, Proof, Resolution, destination
from certline.workers.domains.publication import resolution_of
from certline.workers.runtime.context import WorkerContext


class UnknownAliasError(DnsTryLater):
    """No provider writes at the proof's own name, and no resolver says now whether an alias leads elsewhere."""


@dataclass(frozen=True)
class Place:
    """Where a proof is put: by which provider, and as it is written there (at the end of its aliases)."""

    row: DnsProvider
    proof: Proof


def proof_of(row: Validation) -> Proof:
    """Return the proof of a validation, as the CA looks for it."""
    return Proof(Method(row.method.value), row.proof_name or "", row.proof_value or "")


def place_for(context: WorkerContext, row: Validation, dns: str | None) -> Place | None:
    """Return where a validation's proof is put, or None if a person has to do it.

    `dns`: the provider that was asked for. An alias at the proof's name leads to where it is written, as with a
    delegated DNS-01 challenge. Raises DnsRefused if the aliases go in a circle, UnknownAliasError and DnsTryLater.
    """
    proof, record = proof_of(row), Method(row.method.value).is_record
    found = _provider(context, proof.host, dns, record=record)
    if found is None and record:
        # The proof's own zone may be nobody's whom we know, and its alias in the zone of a provider.
        try:
            there = destination(proof.host, _resolution(context, dns), value=proof.value)
        except DnsTryLater as trouble:
            raise UnknownAliasError(str(trouble)) from None
        found = _provider(context, there, dns, record=record)
    if found is None:
        return None
    if not record:
        return Place(found, proof)
    at = destination(proof.host, resolution_of(found), value=proof.value, zones=found.zones)
    return Place(found, Proof(proof.method, at, proof.value))


def _resolution(context: WorkerContext, dns: str | None) -> Resolution:
    with context.database.transaction() as db:
        return resolution_of(None if dns is None else provider_named(db, dns))


def _provider(
    context: WorkerContext, host: str, dns: str | None, *, record: bool
) -> DnsProvider | None:
    with context.database.transaction() as db:
        return provider_for(db, host, dns, record=record)
