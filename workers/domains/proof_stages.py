"""Stages of a validation's proof: put it in place, look whether it is seen, take it away."""

import structlog
from sqlalchemy.orm import Session

from certline.models.database.session import clock
from certline.models.domains.course import look_pause
from certline.models.domains.outcome import note_validation, tell_waiting
from certline.models.domains.provider import ProviderKind, provider_named
from certline.models.domains.validation import Validation, go_on
from certline.workers.dns import DnsRefused, DnsTryLater, Proof, look
from certline.workers.domains.place import Place, UnknownAliasError, place_for, proof_of
from certline.workers.domains.publication import opened, output_kept, resolution_of
from certline.workers.domains.task import (
    ValidationTask,
    later,
    note_wait,
    require_patience,
)
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.outcomes import GiveUp, back_off

log = structlog.get_logger()

# Tries to take a proof away, after which it is left where it is.
MOST_WITHDRAWALS = 10
# Tries to learn whether an alias leads into a provider's zone, after which a person is told to make the record.
MOST_ALIAS_TRIES = 4


def publish(context: WorkerContext, task: ValidationTask) -> ValidationTask:
    """Put the proof in place, by the provider whose zones contain its name; without one a person is told.

    So is one after MOST_ALIAS_TRIES if no resolver knows the proof's zone, as none knows one of the house only.
    Raises TryLater, and GiveUp if the provider refuses.
    """
    try:
        place = _place_of(context, task)
        if place is None or place.row.kind is ProviderKind.MANUAL:
            by = None if place is None else place.row.name
            return task.after(context.store(task.once(_store_told, provider=by)))
        provider = opened(context, place.row)
        provider.publish(place.proof)
    except DnsRefused as refused:
        said = output_kept(context, refused, task.row.command_id)
        raise GiveUp(f"the proof could not be put in place: {said}") from None
    except DnsTryLater as trouble:
        require_patience(task, str(trouble))
        row = context.store(task.once(note_wait, said=str(trouble)))
        raise later(f"putting the proof in place: {trouble}", back_off(row.tries)) from None
    name, written = place.row.name, place.proof
    return task.after(context.store(task.once(_store_published, provider=name, proof=written)))


def _place_of(context: WorkerContext, task: ValidationTask) -> Place | None:
    """Return where the proof is put; None if a person has to do it. Raises DnsRefused, DnsTryLater."""
    try:
        return place_for(context, task.row, task.row.dns)
    except UnknownAliasError:
        if task.row.tries < MOST_ALIAS_TRIES:
            raise
        return None


def look_for(context: WorkerContext, task: ValidationTask) -> ValidationTask:
    """Look whether the proof is seen everywhere where the CA may look. Raises TryLater until it is, GiveUp."""
    with context.database.transaction() as db:
        found = provider_named(db, task.row.dns or "")
    sighting = look(proof_of(task.row), resolution_of(found))
    if sighting.seen:
        return task.after(context.store(task.once(_store_seen, said=sighting.said)))
    require_patience(task, sighting.said)
    row = context.store(task.once(note_wait, said=sighting.said))
    raise later(sighting.said, look_pause(row.tries, by_hand=task.by_hand))


def withdraw(context: WorkerContext, task: ValidationTask) -> ValidationTask:
    """Take the proof away again. One that cannot be taken away is left, and the validation ends all the same.

    Raises TryLater.
    """
    row, left = task.row, None
    with context.database.transaction() as db:
        found = provider_named(db, row.dns or "")
    if found is None:
        left = f"the provider {row.dns} was removed"
    elif not found.settings.get("keep"):
        proof = proof_of(row)
        try:
            provider = opened(context, found)
            provider.withdraw(Proof(proof.method, row.proof_at or proof.name, proof.value))
        except DnsRefused as refused:
            left = str(refused)
        except DnsTryLater as trouble:
            if row.tries < MOST_WITHDRAWALS:
                waiting = context.store(task.once(note_wait, said=str(trouble)))
                raise later(
                    f"taking the proof away: {trouble}", back_off(waiting.tries + 1)
                ) from None
            left = str(trouble)
    if left is not None:
        log.warning("validation.proof_left", command=row.command_id, record=row.proof_at, why=left)
    return task.after(context.store(task.once(_store_withdrawn, left=left)))


def _store_told(db: Session, row: Validation, provider: str | None) -> None:
    """Store that a person was told which record or file to make, so that nothing has to be taken away."""
    row.dns, row.published_at, row.withdrawn_at = provider, clock(db), clock(db)
    note_validation(db, row, "domain.validation_waiting", record=row.proof_name)
    tell_waiting(db, row)
    go_on(db, row)


def _store_published(db: Session, row: Validation, provider: str, proof: Proof) -> None:
    row.dns, row.proof_at, row.published_at = provider, proof.name, clock(db)
    note_validation(db, row, "domain.proof_published", provider=provider, record=proof.name)
    go_on(db, row)


def _store_seen(db: Session, row: Validation, said: str) -> None:
    row.seen_at, row.said = clock(db), said
    note_validation(db, row, "domain.proof_seen", said=said)
    go_on(db, row)


def _store_withdrawn(db: Session, row: Validation, left: str | None) -> None:
    row.withdrawn_at = clock(db)
    if left is not None:
        row.said = f"the proof at {row.proof_at} is left there: {left}"
    note_validation(db, row, "domain.proof_withdrawn", record=row.proof_at, left=left)
    go_on(db, row)
