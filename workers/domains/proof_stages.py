"""Stages of a validation's proof: put it in place, look whether it is seen, take it away."""

from functools import partial

import structlog
from sqlalchemy.orm import Session

from certline.models.database.session import clock
from certline.models.domains.course import look_pause
from certline.models.domains.outcome import note_validation, tell_waiting
from certline.models.domains.provider import ProviderKind, provider_named
from certline.models.domains.validation import Validation, go_on
from certline.models.states import ValidationStage
from certline.workers.dns import DnsRefused, DnsTryLater, Proof, look
from certline.workers.domains.place import Place, UnknownAliasError, place_for, proof_of
from certline.workers.domains.publication import opened, output_kept, resolution_of
from certline.workers.domains.task import ValidationTask, require_patience
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
    One that was cancelled meanwhile is not put in place, but taken away. Raises TryLater, and GiveUp if the
    provider refuses.
    """
    if task.row.outcome is not None:
        return _find_left(context, task)
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
        said = output_kept(context, trouble, task.row.command_id)
        require_patience(task, said)
        return task.wait(context, said, back_off, doing="putting the proof in place")
    name, written = place.row.name, place.proof
    return task.after(context.store(task.once(_store_published, provider=name, proof=written)))


def _find_left(context: WorkerContext, task: ValidationTask) -> ValidationTask:
    """Store where a cancelled validation may have put its proof: a worker may have died between the two.

    Nobody has written anything where it cannot be found out now who would write.
    """
    try:
        place = _place_of(context, task)
    except (DnsRefused, DnsTryLater):
        place = None
    if place is not None and place.row.kind is ProviderKind.MANUAL:
        place = None
    return task.after(context.store(task.once(_store_left, place=place)))


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
    return task.wait(context, sighting.said, partial(look_pause, by_hand=task.by_hand))


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
            left = output_kept(context, refused, row.command_id)
        except DnsTryLater as trouble:
            left = output_kept(context, trouble, row.command_id)
            if row.tries < MOST_WITHDRAWALS:
                return task.wait(
                    context,
                    left,
                    lambda tries: back_off(tries + 1),
                    doing="taking the proof away",
                )
    if left is not None:
        log.warning("validation.proof_left", command=row.command_id, record=row.proof_at, why=left)
    return task.after(context.store(task.once(_store_withdrawn, left=left)))


def _store_told(db: Session, row: Validation, provider: str | None) -> None:
    """Store that a person was told which record or file to make, so that nothing has to be taken away."""
    if row.outcome is None:  # else it was cancelled meanwhile
        row.dns, row.published_at, row.withdrawn_at = provider, clock(db), clock(db)
        note_validation(db, row, "domain.validation_waiting", record=row.proof_name)
        tell_waiting(db, row)
    go_on(db, row)


def _store_left(db: Session, row: Validation, place: Place | None) -> None:
    """Store where the proof of a cancelled validation may be; None: nowhere, so that it has ended."""
    go_on(db, row)
    if place is not None and row.withdrawn_at is None:
        row.dns, row.proof_at = place.row.name, place.proof.name
        row.stage, row.ended_at = ValidationStage.WITHDRAW, None


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
