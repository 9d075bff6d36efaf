"""Rows of an order that is placed: the order itself, its key, its audit entry and its event."""

from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Table, bindparam, select, update
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
from certline.models.audit.log import entry, record
from certline.models.ciphers.place import SecretPlace
from certline.models.commands.answers import Answer, answer_with
from certline.models.commands.command import finish
from certline.models.commands.payloads import OrderCommand
from certline.models.database.base import new_id
from certline.models.database.bulk import add_object
from certline.models.database.secret_place import place_of
from certline.models.events.data import OrderPlaced
from certline.models.lifecycle.announcement import announce
from certline.models.lifecycle.moves import order_facts
from certline.models.lifecycle.succession import state_of
from certline.models.orders.checks import CheckedOrder, key_problem
from certline.models.orders.order import open_twin
from certline.models.states import OrderStatus
from certline.models.validation import BadCommandError
from certline.models.vault import Vault, WrongSecretKeyError
from certline.workers.keys.keystore import generate_password
from certline.workers.ordering.key_material import KeyMaterial
from certline.workers.ordering.reference import reference_of


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
    order_id: str | None = None,
) -> Order | None:
    """Store the order with its key, CSR and reference; once the caller has committed, nothing can be lost.

    `intent`: the order's business key. `password_place`: what the keystore's password in `wanted` is bound to;
    the order's own is bound to the order. `order_id`: as given by `begin_order`, if the command was stored before.
    Returns None if an order with the same intent is open: the command then ends with that order as its result.
    Raises BadCommandError if the account was removed meanwhile, or the profile doesn't allow the stored key that
    is used again.
    """
    if succession is None:  # the account of a successor is locked with its line
        _require_account(db, account)
    if material.is_used_again:  # a stored key is used again, whatever the order says of keys
        problem = key_problem(checked.profile, material.algorithm, material.size)
        if problem is not None:
            raise BadCommandError([f"key_algorithm: {problem}"])
    # This locks the intent until commit, so two commands at once can't both place an order for it. A successor's
    # intent is that of its line, which the caller has locked and checked.
    reference = reference_of(command.id)
    twin = open_twin(db, intent, reference) if succession is None else None
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
        order_id=order_id or new_id(),
    )
    order.keystore_password_sealed = _keystore_password(
        wanted, vault, password_place, place_of(order, "keystore_password_sealed")
    )
    if order_id is None:
        command.subject, command.result = order.id, _result_of(order.id)
    db.add(order)
    db.flush()
    # Not before: with its account, which an earlier session has loaded, the order could not be added.
    order.belongs_to(account)
    why = "; ".join(checked.warnings) or None
    placed = entry("order.placed", order.id, who=command.requester, why=why, command_id=command.id)
    event = OrderPlaced(**order_facts(order), status=OrderStatus.PLACED, certificate_id=None)
    announce(db, event, placed, subject=order.id, correlation_id=command.id)
    return order


def begin_order(db: Session, command: Command, order_id: str) -> bool:
    """Lock a stored command, and make the order that is about to be placed its own.

    `command`: as it was loaded before. Returns False if it has another order, or another subject, by now.
    """
    change = {"own_id": command.id, "before": command.subject, "order": order_id}
    row = db.connection().execute(_BEGINNING, {**change, "with_result": _result_of(order_id)})
    return row.first() is not None


_COMMAND = cast("Table", Command.__table__)
_BEGINNING = (
    update(_COMMAND)
    .where(
        _COMMAND.c.id == bindparam("own_id"),
        _COMMAND.c.subject.is_not_distinct_from(bindparam("before")),
    )
    .values(subject=bindparam("order"), result=bindparam("with_result"))
    .returning(_COMMAND.c.id)
)


def _result_of(order_id: str) -> dict[str, Any]:
    return {"order_id": order_id, "order_status": OrderStatus.PLACED.value}


# FOR KEY SHARE: many orders may hold it at once, but it conflicts with the FOR UPDATE of a removal. Either the
# removal waits for this order, or this order sees the account as removed.
_ACCOUNT = (
    select(Account.status)
    .where(Account.id == bindparam("of_account"))
    .with_for_update(read=True, key_share=True)
)


def _require_account(db: Session, account: Account) -> None:
    """Lock an account against removal until commit. Raises BadCommandError if it was removed."""
    status = db.connection().execute(_ACCOUNT, {"of_account": account.id}).scalar()
    if status is AccountStatus.REMOVED:
        raise BadCommandError([f"account: {account.name!r} was removed"])


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
    add_object(db, key)
    return material.key_id


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
    order_id: str,
) -> Order:
    return Order(
        id=order_id,
        account_id=account.id,
        status=OrderStatus.PLACED,
        command_id=command.id,
        kind=succession.kind if succession else OrderKind.NEW,
        business_key=intent,
        reference=reference_of(command.id),
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
    command = db.get_one(Command, command.id, with_for_update=True)
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
