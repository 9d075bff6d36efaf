"""Checks of the whole world after a run: SCM's records, our tables, and the events published.

Every check yields a sentence for each fault; a test asserts that there are none.
"""

from collections import Counter
from collections.abc import Iterator

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from certline.models import AuditEntry, Certificate, DeadLetter, Line, Order, OrderStatus, Outbox
from certline.models.audit.chain import breaks_in
from certline.models.certificates.license import license_use
from certline.models.commands.dead_letter import dead_letters_waiting
from certline.models.events.outbox import EVENTS
from certline.models.lifecycle.moves import STATUS_EVENTS
from certline.models.orders.private_key import PrivateKey
from certline.models.states import OrderKind
from certline.models.vault import Vault
from certline.workers.keys import key_pair
from certline.workers.keys.chain import read_certificates
from tests.faults.invariants.per_order import (
    each_reissue_is_one_replacement,
    every_intent_is_final_or_due,
    orders_at_scm,
)
from tests.faults.invariants.recorded_moves import every_move_was_legal
from tests.faults.invariants.types import Check, World
from tests.support.sealed_rows import opened


def faults_of(db: Session, world: World, vault: Vault) -> list[str]:
    """Run all checks, and return their faults."""
    return [fault for check in CHECKS for fault in check(db, world, vault)]


def keys_match_their_certificates(db: Session, _world: World, vault: Vault) -> Iterator[str]:
    """Check that each certificate's stored key matches its leaf, and that it and its order refer to each other."""
    rows = db.execute(
        select(Certificate, PrivateKey, Order)
        .join(Order, Certificate.order_id == Order.id)
        .outerjoin(PrivateKey, Certificate.key_id == PrivateKey.id)
    )
    for certificate, key, order in rows:
        (leaf,) = read_certificates(certificate.leaf.encode())
        wanted = key_pair.public_key_sha256(leaf.public_key())
        if order.kind is OrderKind.IMPORT:
            continue  # the key of an imported certificate is not ours
        if key is None:
            yield f"certificate {certificate.id} ({certificate.common_name}) has no key"
        elif wanted != key_pair.public_key_sha256(
            key_pair.from_pem(opened(vault, key, "pem_sealed")).public_key()
        ):
            yield f"certificate {certificate.id} is not for the key that is stored with it"
        if order.scm_id != certificate.scm_id or order.certificate_id != certificate.id:
            yield f"certificate {certificate.id} and order {order.id} don't name each other"
    stored = select(Order).where(Order.status == OrderStatus.STORED, Order.certificate_id.is_(None))
    for order in db.scalars(stored):
        yield f"order {order.id} is stored without a certificate"


def events_are_told_once(db: Session, world: World, _vault: Vault) -> Iterator[str]:
    """Check that each status change in the log has one event, and that the listener received each event."""
    logged = Counter((row.subject, row.type) for row in db.scalars(select(AuditEntry)))
    events = db.scalars(select(Outbox).where(Outbox.exchange == EVENTS)).all()
    owner = {row.id: row.command_id for row in db.execute(select(Order.id, Order.command_id))}
    # The same event may also answer another command, such as the one that cancelled the order.
    told = Counter(
        (row.body.get("subject"), row.routing_key)
        for row in events
        if row.body.get("correlationid") in (None, owner.get(row.body.get("subject")))
    )
    kinds = {f"order.{status}": event.event_type for status, event in STATUS_EVENTS.items()}
    kinds |= {"order.placed": "order.placed", "order.stored": "certificate.stored"}
    imported = set(db.scalars(select(Order.id).where(Order.kind == OrderKind.IMPORT)))
    for order_id in owner:
        for in_log, in_event in kinds.items():
            if order_id in imported and in_log == "order.stored":
                continue  # an import publishes no event for each certificate
            # An order placed again after reconciling gets an audit entry, but no second event.
            most = 1 if in_log == "order.placed" else None
            expected = min(logged[order_id, in_log], most or logged[order_id, in_log])
            if told[order_id, in_event] != expected:
                count = told[order_id, in_event]
                yield f"{in_event} of order {order_id} was told {count} times, not {expected}"
    emitted = {row.event_id for row in events if row.sent_at is not None}
    for event_id in emitted - set(world.heard):
        yield f"event {event_id} was marked sent, and nobody heard it"
    for event_id in set(world.heard) - {row.event_id for row in events}:
        yield f"event {event_id} was heard, and no row of ours has it"


def the_outbox_is_empty(db: Session, _world: World, _vault: Vault) -> Iterator[str]:
    """Check that no outbox row is parked, or due and unsent."""
    parked = select(Outbox).where(Outbox.parked_at.is_not(None))
    for row in db.scalars(parked):
        yield f"outbox row {row.id} for {row.routing_key} is parked: {row.last_error}"
    due = select(Outbox).where(Outbox.sent_at.is_(None), Outbox.not_before <= func.now())
    for row in db.scalars(due.where(Outbox.parked_at.is_(None))):
        yield f"outbox row {row.id} for {row.routing_key} is due and has not gone out"


def the_licence_is_exact(db: Session, _world: World, _vault: Vault) -> Iterator[str]:
    """Check that the lines in use are those with a certificate or an issued order, and at most the capacity."""
    use = license_use(db)
    if use.used > use.capacity:
        yield f"{use.used} lines are in use, and the licence has {use.capacity}"
    has_certificate = select(Certificate.line_id)
    on_its_way = select(Order.line_id).where(
        Order.status == OrderStatus.ISSUED, Order.line_id.is_not(None)
    )
    stray = select(Line).where(
        Line.deleted_at.is_(None),
        Line.id.not_in(has_certificate),
        Line.id.not_in(on_its_way),
    )
    for line in db.scalars(stray):
        yield f"line {line.id} ({line.common_name}) is counted and has no certificate"
    twice = (
        select(Certificate.order_id, func.count())
        .group_by(Certificate.order_id)
        .having(func.count() > 1)
    )
    for order_id, count in db.execute(twice):
        yield f"order {order_id} has {count} certificates"


def nothing_waits_at_rabbitmq(_db: Session, world: World, _vault: Vault) -> Iterator[str]:
    """Check that RabbitMQ's queues of work, delays and dead letters are empty."""
    for queue, count in world.waiting.items():
        if count:
            yield f"{count} messages are left in {queue}"


def each_dead_letter_is_kept_once(db: Session, world: World, _vault: Vault) -> Iterator[str]:
    """Check that the number of waiting dead letters is the expected one."""
    waiting, expected = dead_letters_waiting(db), world.expected.letters
    if waiting != expected:
        reasons = db.scalars(select(DeadLetter.reason).order_by(DeadLetter.id)).all()
        yield f"{waiting} dead letters wait for a person, not {expected}: {reasons}"


def every_thread_lives(_db: Session, world: World, _vault: Vault) -> Iterator[str]:
    """Check that the running processes report to be healthy."""
    for part, what in world.sick.items():
        yield f"{part} says: {what}"


def the_log_is_whole(db: Session, _world: World, _vault: Vault) -> Iterator[str]:
    """Check that the hash chain of the audit log is unbroken."""
    yield from (found.text for found in breaks_in(db))


CHECKS: tuple[Check, ...] = (
    orders_at_scm,
    each_reissue_is_one_replacement,
    every_intent_is_final_or_due,
    keys_match_their_certificates,
    events_are_told_once,
    the_outbox_is_empty,
    the_licence_is_exact,
    nothing_waits_at_rabbitmq,
    each_dead_letter_is_kept_once,
    every_thread_lives,
    every_move_was_legal,
    the_log_is_whole,
)
