"""The step `fetch`: collect an issued certificate, and store it if a licence line is free."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from cryptography import x509
from sqlalchemy import bindparam, exists, select
from sqlalchemy.orm import Session

from certline.models import (
    CallKind,
    Certificate,
    Command,
    CommandType,
    Order,
    OrderKind,
    OrderStatus,
)
from certline.models.certificates.backoff import LineBackoff
from certline.models.certificates.deploy_hook import HOOKS, Hook
from certline.models.certificates.license import (
    LicenseUse,
    emit_exhausted,
    license_use,
    take_line,
)
from certline.models.commands.bulk import finish_step
from certline.models.database.base import new_id
from certline.models.database.bulk import add_object, together
from certline.models.database.secret_place import place_of
from certline.models.database.session import clock
from certline.models.events.data import CertificateStored
from certline.models.imports.run import import_began
from certline.models.lifecycle.moves import (
    emit_order_event,
    move,
    order_facts,
    send_to_review,
)
from certline.models.lifecycle.succession import (
    revoke_old_later,
    succeeded,
    supersede,
    take_its_place,
)
from certline.models.orders.order import locked
from certline.models.renewals.selection import mark_stored
from certline.models.vault import Vault, WrongSecretKeyError
from certline.workers.keys import chain as chains
from certline.workers.keys.certificate import serial_hex
from certline.workers.keys.errors import ChainError, NoMatch
from certline.workers.keys.leaf import leaf_columns
from certline.workers.runtime.account_gate import require_active
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.log_fields import name_in_logs
from certline.workers.runtime.outcomes import MOST_TRIES, GiveUp, TryLater, reading_scm
from certline.workers.runtime.results import OrderResult
from certline.workers.runtime.step import Step, review_subject
from certline.workers.runtime.step_measure import measure_stored
from certline.workers.scm import NotReady

log = structlog.get_logger()

# SCM may report `Issued` shortly before the certificate can be collected (SCM document: statuses).
READY_SOON = timedelta(seconds=10)
LONGEST_WAIT = timedelta(hours=1)
# A reissue keeps its sslId, and SCM may return the previous certificate for some time (SCM document: replace). How
# long is not documented; after a day the order goes to review.
STILL_THE_OLD_ONE = timedelta(days=1)


@dataclass(frozen=True)
class FetchResult(OrderResult):
    """Result of a fetch; `certificate_id` is None unless the certificate was stored."""

    certificate_id: str | None

    @classmethod
    def of(cls, order: Order) -> "FetchResult":
        """Return the result for an order in its present state."""
        return cls(order.id, order.status.value, order.certificate_id)


@dataclass(frozen=True)
class Issued:
    """An order whose certificate is to be collected. `waited`: since SCM issued it."""

    order: Order
    waited: timedelta


def load(context: WorkerContext, db: Session, command: Command) -> Issued | None:
    """Load the order of the fetch, and take the turn of its call. Returns None if nothing is to be collected."""
    order = db.get_one(Order, command.subject)
    name_in_logs(order)
    if order.status is not OrderStatus.ISSUED or order.scm_id is None:
        finish_step(db, command.id, FetchResult.of(order).document())
        return None
    require_active(order.account)
    context.provide(db, order.account, CallKind.READ)
    return issued(db, order)


def issued(db: Session, order: Order) -> Issued:
    """Return an issued order as one to be collected."""
    return Issued(order, clock(db) - (order.issued_at or order.updated_at))


def fetch(context: WorkerContext, command: Command, found: Issued | None) -> None:
    """Collect the order's certificate, check that it is for our key, and store it; ends the command itself.

    Raises TryLater while SCM does not return it, and GiveUp, with the order in review, if it is unusable.
    """
    if found is not None:
        collect(context, command, found)


def collect(context: WorkerContext, command: Command, found: Issued) -> None:
    """Do the work of `fetch` for the command of a fetch, or of a poll that has found the order issued."""
    order, waited = found.order, found.waited
    first = min(READY_SOON, timedelta(seconds=context.settings.poll_seconds))
    wait = wait_after(waited, first)
    try:
        with reading_scm(order.account, command.attempts, MOST_TRIES):
            body = context.scm(order.account).collect(order.scm_id or 0)
            certificates = chains.read_certificates(body)
            leaf = leaf_columns(_chain_for(context, order, certificates, waited, wait))
    except NotReady as early:
        raise TryLater(str(early), after=wait, afresh=True) from None
    except (ChainError, GiveUp) as fault:
        why = f"the certificate cannot be fetched: {fault}"
        context.store(partial(send_to_review, order_id=order.id, why=why))
        raise GiveUp(str(fault)) from None
    kept = context.store(partial(_store, context=context, command=command, found=order, leaf=leaf))
    measure_stored(kept)


def _store(
    db: Session, *, context: WorkerContext, command: Command, found: Order, leaf: dict[str, Any]
) -> Order:
    """Store the certificate, and end the step, in one transaction. Returns the order."""
    with together(db):
        order = _keep(db, context.vault, found, leaf)
    finish_step(db, command.id, FetchResult.of(order).document())
    return order


def _chain_for(
    context: WorkerContext,
    order: Order,
    found: list[x509.Certificate],
    waited: timedelta,
    wait: timedelta,
) -> chains.Chain:
    """Return the chain of the order's certificate, found by its public key if we know it (imported orders have
    none), otherwise by the serial number that SCM reported. Raises TryLater, ChainError, ScmError.
    """
    if is_too_early(order, found, waited):
        raise TryLater("SCM still returns the previous certificate", after=wait, afresh=True)
    if order.public_key_sha256 is not None:
        return chains.build_chain(found, order.public_key_sha256)
    try:
        leaf = chains.leaf_numbered(found, order.scm_serial)
    except NoMatch:
        # It may have been replaced since we stored the serial number, so read SCM's record again.
        details = context.scm(order.account).details(order.scm_id or 0)
        leaf = chains.leaf_numbered(found, details.serial_number)
    return chains.chain_of(leaf, found)


def wait_after(waited: timedelta, first: timedelta) -> timedelta:
    """Return the time until the next try: half the time waited so far, at least `first`, at most an hour."""
    return min(LONGEST_WAIT, max(first, waited / 2))


def is_too_early(order: Order, found: list[x509.Certificate], waited: timedelta) -> bool:
    """Return True if SCM still returns the certificate from before a reissue: none of `found` is the new one.

    Returns False once STILL_THE_OLD_ONE has passed, so that the fetch fails and the order goes to review.
    """
    if order.kind is not OrderKind.REISSUE or waited >= STILL_THE_OLD_ONE:
        return False
    if order.public_key_sha256 is not None:
        return not chains.has_key(found, order.public_key_sha256)
    return order.scm_serial not in {serial_hex(cert) for cert in found}


def _keep(db: Session, vault: Vault, found: Order, leaf: dict[str, Any]) -> Order:
    # The order is locked before the licence (in take_line). `orders_to_release` locks the licence first, but
    # takes orders with SKIP LOCKED, so the two cannot deadlock.
    order = locked(db, found.id, found.account)
    if order.status is not OrderStatus.ISSUED:
        return order
    serial = leaf["serial_number"]
    present, had_failures = _known_before(db, order, serial)
    if present is not None:
        order.scm_serial = serial
        why = f"certificate {serial} of {order.scm_id} is already stored as {present}"
        move(db, order, OrderStatus.REVIEW, why=why)
        return order
    if not take_line(db, order):
        order.scm_serial = serial
        move(db, order, OrderStatus.HELD, why=_why_held(license_use(db)))
        emit_exhausted(db, 1, subject=order.id, correlation_id=order.command_id)
        return order
    certificate = _certificate(vault, order, leaf)
    succeeds = order.predecessor_id is not None and order.kind is not OrderKind.IMPORT
    if succeeds:
        # Its event comes last.
        supersede(db, order, certificate, is_news=False, had_failures=had_failures)
    if order.kind is OrderKind.IMPORT:
        db.add(certificate)
        db.flush()
    else:
        add_object(db, certificate)
    order.scm_serial, order.certificate_id = serial, certificate.id
    move(db, order, OrderStatus.STORED)
    if order.kind is OrderKind.IMPORT:
        # As if it had been stored by the import itself: no event, no deploy hook, and a renewal is news only if we
        # managed its predecessor before the import.
        take_its_place(db, order, certificate, news_before=import_began(db, order.id))
        mark_stored(db, [certificate.id])
        return order
    stored = CertificateStored(
        **order_facts(order),
        status=OrderStatus.STORED,
        certificate_id=certificate.id,
        serial_number=certificate.serial_number,
        sha256_fingerprint=certificate.sha256_fingerprint,
        not_after=certificate.not_after,
    )
    emit_order_event(db, order, stored)
    if succeeds:
        emit_order_event(db, order, succeeded(order, certificate))
        revoke_old_later(db, order)
    else:  # a successor is selected for automatic renewal if its predecessor was
        mark_stored(db, [certificate.id])
    return order


def _why_held(use: LicenseUse) -> str:
    if use.ended:
        return f"the licence ended on {use.valid_until}: certline license set N --until DATE"
    return f"no licence is left ({use.used} of {use.capacity} lines in use)"


def _known_before(db: Session, order: Order, serial: str) -> tuple[str | None, bool]:
    """Return the id of the stored certificate with these numbers, and whether renewals of the line have failed."""
    of = {"of_account": order.account_id, "number": order.scm_id, "serial": serial}
    present, had_failures, has_hooks = (
        db.connection().execute(_KNOWN_BEFORE, {**of, "of_line": order.line_id}).one()
    )
    if not has_hooks:
        db.info[HOOKS] = []  # saves `start_hooks` its query
    return present, had_failures


# Built once, because each certificate that is stored runs it.
_KNOWN_BEFORE = select(
    select(Certificate.id)
    .where(
        Certificate.account_id == bindparam("of_account"),
        Certificate.scm_id == bindparam("number"),
        Certificate.serial_number == bindparam("serial"),
    )
    .scalar_subquery(),
    exists().where(LineBackoff.line_id == bindparam("of_line")),
    exists(select(Hook.id)),
)


def _certificate(vault: Vault, order: Order, leaf: dict[str, Any]) -> Certificate:
    certificate = Certificate(
        id=new_id(),
        order_id=order.id,
        line_id=order.line_id,
        account_id=order.account_id,
        key_id=order.key_id,
        scm_id=order.scm_id,
        organization_id=order.organization_id,
        profile_id=order.profile_id,
        common_name=order.common_name,
        key_lost=order.recovered_at is not None and order.public_key_sha256 is None,
        auto_renew=False,
        keystore_type=order.keystore_type,
        **leaf,
    )
    password = order.keystore_password_sealed
    if password is not None:
        here = place_of(certificate, "keystore_password_sealed")
        try:
            password = vault.move(password, place_of(order, "keystore_password_sealed"), here)
        except WrongSecretKeyError:
            # The certificate counts. It keeps the unreadable password, of which `keys status` speaks.
            log.warning("fetch.unreadable_password", order=order.id)
    certificate.keystore_password_sealed = password
    return certificate


STEP = Step(CommandType.FETCH, fetch, load, on_abandoned=review_subject)
