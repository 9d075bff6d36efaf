"""Rows of an order that is placed: the order itself, its key, its audit entry and its event."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from certline.models import (
    Account,
    AccountStatus,
    Certificate,
    Command,
    CommandStatus,
    Order,
    OrderKind,
    PrivateKey,
)
from certline.models.audit.log import record
from certline.models.ciphers.place import SecretPlace
from certline.models.commands.answers import Answer, answer_with
from certline.models.commands.command import finish
from certline.models.commands.payloads import OrderCommand
from certline.models.database.base import new_id
from certline.models.database.secret_place import place_of
from certline.models.events.data import OrderPlaced
from certline.models.lifecycle.moves import emit_order_event, order_facts
from certline.models.lifecycle.succession import state_of
from certline.models.orders.checks import CheckedOrder, key_problem
from certline.models.orders.order import open_twin
from certline.models.states import OrderStatus
from certline.models.validation import BadCommandError
from certline.models.vault import Vault, WrongSecretKeyError
from certline.workers.keys.keystore import generate_password
from certline.workers.ordering.key_material import KeyMaterial


@dataclass(frozen=True)
class Succession:
    """The certificate that an order renews or reissues.

    `reason`: the reason given to SCM for a reissue.
    """

    kind: OrderKind
    predecessor: Certificate
    reason: str | None = None


def place(
    db: Session,
    command: Command,
    account: Account,
    *,
    intent: str,
    wanted: OrderCommand,
    checked: CheckedOrder,
    material: KeyMaterial,
    vault: Vault,
    password_place: SecretPlace,
    succession: Succession | None = None,
) -> Order | None:
    """Store the order with its key, CSR and reference; once the caller has committed, nothing can be lost.

    `intent`: the order's business key. `password_place`: what the keystore's password in `wanted` is bound to; the
    order's own is bound to the order. Returns None if an order with the same intent is open: the command then
    ends with that order as its result. Raises BadCommandError if the account was removed meanwhile, or the
    profile doesn't allow the stored key that is used again.
    """
    account = _account_kept(db, account)
    if material.is_used_again:  # a stored key is used again, whatever the order says of keys
        problem = key_problem(checked.profile, material.algorithm, material.size)
        if problem is not None:
            raise BadCommandError([f"key_algorithm: {problem}"])
    # This locks the intent until commit, so two commands at once can't both place an order for it. A successor's
    # intent is that of its line, which the caller has locked and checked.
    twin = open_twin(db, intent) if succession is None else None
    if twin is not None:
        end_as_twin(db, command, twin)
        return None
    order = _order_row(
        command,
        account,
        intent,
        wanted=wanted,
        checked=checked,
        material=material,
        key_id=_stored_key(db, material),
        succession=succession,
    )
    order.keystore_password_sealed = _keystore_password(
        wanted, vault, password_place, place_of(order, "keystore_password_sealed")
    )
    db.add(order)
    db.flush()
    command.subject = order.id
    command.result = {"order_id": order.id, "order_status": order.status.value}
    why = "; ".join(checked.warnings) or None
    record(db, "order.placed", order.id, who=command.requester, why=why, command_id=command.id)
    event = OrderPlaced(**order_facts(order), status=OrderStatus.PLACED, certificate_id=None)
    emit_order_event(db, order, event)
    return order


def _account_kept(db: Session, account: Account) -> Account:
    """Reload an account, locked against removal until commit. Raises BadCommandError if it was removed."""
    # FOR KEY SHARE: many orders may hold it at once, but it conflicts with the FOR UPDATE of a removal. Either
    # the removal waits for this order, or this order sees the account as removed.
    share = {"read": True, "key_share": True}
    account = db.get_one(Account, account.id, with_for_update=share, populate_existing=True)
    if account.status is AccountStatus.REMOVED:
        raise BadCommandError([f"account: {account.name!r} was removed"])
    return account


def _stored_key(db: Session, material: KeyMaterial) -> str | None:
    """Store a new key. Returns its id, that of the key used again, or None if the requester keeps the key."""
    if material.pem_sealed is None:
        return material.key_id
    key = PrivateKey(
        id=material.key_id,
        pem_sealed=material.pem_sealed,
        algorithm=material.algorithm,
        size=material.size,
        public_key_sha256=material.public_key_sha256,
    )
    db.add(key)
    db.flush()
    return key.id


def _order_row(
    command: Command,
    account: Account,
    intent: str,
    *,
    wanted: OrderCommand,
    checked: CheckedOrder,
    material: KeyMaterial,
    key_id: str | None,
    succession: Succession | None,
) -> Order:
    return Order(
        id=new_id(),
        account=account,
        command_id=command.id,
        kind=succession.kind if succession else OrderKind.NEW,
        business_key=intent,
        reference=new_id(),
        common_name=wanted.common_name,
        sans=[name for name in dict.fromkeys(wanted.sans) if name != wanted.common_name],
        organization_id=checked.organization.scm_id,
        organization_name=checked.organization.name,
        profile_id=checked.profile.scm_id,
        profile_name=checked.profile.name,
        term=wanted.term,
        key_algorithm=material.algorithm,
        key_size=material.size,
        key_id=key_id,
        csr=material.csr,
        public_key_sha256=material.public_key_sha256,
        keystore_type=wanted.keystore_type,
        comments=wanted.comments,
        external_requesters=list(wanted.external_requesters),
        custom_fields=dict(wanted.custom_fields),
        # A successor belongs to its predecessor's line, and needs no licence of its own.
        line_id=succession.predecessor.line_id if succession else None,
        predecessor_id=succession.predecessor.id if succession else None,
        reason=succession.reason if succession else None,
        requested_by=str(command.requester),
    )


def _keystore_password(
    wanted: OrderCommand, vault: Vault, given_at: SecretPlace, place: SecretPlace
) -> bytes:
    """Return the encrypted keystore password: the requester's or the predecessor's, or a generated one.

    Raises WrongSecretKeyError if the one that the requester gave can't be decrypted.
    """
    given = wanted.keystore_password_sealed
    if given is not None:
        try:
            return vault.move(given.encode(), given_at, place)
        except WrongSecretKeyError:
            # A renewal must not fail for the password of a keystore: nothing opens that keystore any more.
            if given_at.table != Certificate.__tablename__:
                raise
    return vault.seal(generate_password().encode(), place)


def end_as_twin(db: Session, command: Command, twin: Order) -> None:
    """End a command whose intent already has an open order, with that order as its result.

    The command is answered with the event of the order's present state; later events name the first command.
    """
    command.subject = twin.id
    why = "the same order was requested again"
    result = {
        "order_id": twin.id,
        "scm_id": twin.scm_id,
        "order_status": twin.status.value,
        "already_ordered": True,
    }
    finish(db, command, CommandStatus.DONE, result=result)
    answer_with(db, command, Answer(state_of(db, twin, why), twin.id))
    record(
        db,
        "order.already_placed",
        twin.id,
        who=command.requester,
        why=why,
        command_id=command.id,
    )
