"""The step `dns_test`: write a record by a provider, look whether it is seen, and remove it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from certline.models import Command, CommandType, DnsProvider
from certline.models.commands.payloads import DnsTestCommand, read_payload
from certline.workers.dns import (
    DnsRefused,
    DnsTryLater,
    Method,
    Proof,
    ProofSight,
    Provider,
    look,
)
from certline.workers.domains.publication import opened, output_kept, resolution_of
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.outcomes import GiveUp, TryLater
from certline.workers.runtime.step import plain_step

# For so long a record may take until all name servers show it, and between two looks.
PATIENCE, PAUSE = timedelta(seconds=60), timedelta(seconds=3)
# For so long it is tried to write it: somebody waits, and may have mistyped the server's address.
PATIENCE_TO_WRITE = timedelta(seconds=15)
# The name of the record below the zone, or of the file.
NAME = "_certline-test"


def dns_test(context: WorkerContext, command: Command) -> dict[str, Any]:
    """Write a record, look for it at all authoritative servers, remove it. Returns what was done.

    The record's value is the command's id, so a test that was interrupted goes on with its own record. Raises
    TryLater until it is seen, and GiveUp.
    """
    wanted = read_payload(DnsTestCommand, command.payload)
    with context.database.transaction() as db:
        row = db.get(DnsProvider, wanted.provider)
    if row is None:
        raise GiveUp("the provider was removed")
    proof = proof_of_test(row, wanted.domain, command.id)
    age = datetime.now(UTC) - command.created_at
    is_late = age > PATIENCE_TO_WRITE
    try:
        provider = opened(context, row)
        provider.publish(proof)
        is_late = age > PATIENCE
        sight = look(proof, resolution_of(row))
        if not sight.seen and not is_late:
            raise TryLater(sight.said, after=PAUSE)
        _remove(provider, proof, sight)
    except DnsTryLater as trouble:
        said = output_kept(context, trouble, command.id)
        if not is_late:
            raise TryLater(said, after=PAUSE) from None
        raise GiveUp(f"{row.name}: {said}") from None
    except DnsRefused as refusal:
        raise GiveUp(f"{row.name}: {output_kept(context, refusal, command.id)}") from None
    if not sight.seen:
        seconds = PATIENCE.total_seconds()
        raise GiveUp(
            f"{row.name} has written it, but it is not seen after {seconds:.0f} s, and was removed: {sight.said}"
        )
    steps = [f"wrote {proof}", sight.said, "removed it"]
    return {"outcome": "seen", "said": f"done: {'; '.join(steps)}", "steps": steps}


def proof_of_test(row: DnsProvider, domain: str | None, command_id: str) -> Proof:
    """Return the record, or the file of a provider that writes files, by which it is tried."""
    below = domain or row.zones[0]
    value = f"certline-test={command_id}"
    if row.can(record=True):
        return Proof(Method.TXT, f"{NAME}.{below}", value)
    file = f"/.well-known/pki-validation/{NAME}-{command_id[:8]}.txt"
    return Proof(Method.HTTP, f"http://{below}{file}", value)


def _remove(provider: Provider, proof: Proof, sight: ProofSight) -> None:
    """Remove the record. Raises DnsRefused, DnsTryLater."""
    try:
        provider.withdraw(proof)
    except DnsRefused as refusal:
        seen = "was written and is seen" if sight.seen else "was written"
        raise DnsRefused(f"it {seen}, but not removed: {refusal}", refusal.output) from None


STEP = plain_step(CommandType.DNS_TEST, dns_test)
