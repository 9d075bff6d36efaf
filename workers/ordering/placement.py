"""Step 0 of an order: check it, generate its key and CSR, and store everything before SCM is called."""

import hashlib
from dataclasses import dataclass
from datetime import UTC

from sqlalchemy.orm import Session

from certline.models import (
    Account,
    AccountStatus,
    Certificate,
    Command,
    CommandStatus,
    Order,
    OrderKind,
    OrderStatus,
    PrivateKey,
)
from certline.models.accounts.account import account_named, accounts
from certline.models.accounts.catalogue import custom_fields, domains, organizations, profiles
from certline.models.audit.log import record
from certline.models.commands.command import finish
from certline.models.commands.payloads import OrderCommand
from certline.models.database.base import new_id
from certline.models.database.session import clock
from certline.models.events.data import OrderPlaced
from certline.models.lifecycle.moves import emit_order_event, order_facts
from certline.models.orders.checks import CheckedOrder, Offer, check_order, key_problem
from certline.models.orders.order import open_twin
from certline.models.validation import BadCommandError
from certline.models.vault import Vault, WrongSecretKeyError
from certline.workers.keys import key_pair
from certline.workers.keys.csr import Request, read_request, sign_request
from certline.workers.keys.keystore import generate_password

# SCM's limit for `comments`, in characters (scm-api, section 5).
LONGEST_COMMENT = 1024


@dataclass(frozen=True)
class KeyMaterial:
    """The CSR of an order, with its private key encrypted by the vault in `pem_sealed`.

    `pem_sealed` is None if the requester keeps the key, or if the key is stored already as `key_id`.
    """

    csr: str
    public_key_sha256: str
    algorithm: str
    size: str
    pem_sealed: bytes | None
    key_id: str | None = None


@dataclass(frozen=True)
class Succession:
    """The certificate that an order renews or reissues.

    `intent`: the order's business key. `reason`: the reason given to SCM for a reissue.
    """

    kind: OrderKind
    predecessor: Certificate
    intent: str
    reason: str | None = None


def account_for(db: Session, name: str | None) -> Account:
    """Return the account of that name or, without a name, the only account.

    Raises BadCommandError if the name is unknown, if there is no account, or if there are several.
    """
    present = accounts(db)
    if name is not None:
        account = account_named(db, name)
        if account is None:
            known = ", ".join(account.name for account in present) or "none yet"
            raise BadCommandError([f"account: {name!r} is not known; there are: {known}"])
        return account
    if not present:
        raise BadCommandError(["account: there is none yet: run `certline account add` first"])
    if len(present) > 1:
        known = ", ".join(account.name for account in present)
        raise BadCommandError([f"account: there are several ({known}); say which one"])
    return present[0]


def check(db: Session, account: Account, wanted: OrderCommand) -> CheckedOrder:
    """Check an order against the data last synced from SCM. Raises BadCommandError listing every problem."""
    offer = Offer(
        organizations=organizations(db, account.id),
        domains=domains(db, account.id),
        profiles=profiles(db, account.id),
        custom_fields=custom_fields(db, account.id),
    )
    return check_order(wanted, offer, clock(db).astimezone(UTC).date())


def make_key(wanted: OrderCommand, vault: Vault) -> KeyMaterial:
    """Generate the order's key and CSR, or read the CSR that the order came with.

    Slow for RSA: call it with no transaction open. Raises BadCommandError if the given CSR can't be used.
    """
    if wanted.csr is not None:
        try:
            given = read_request(wanted.csr)
        except ValueError as error:
            raise BadCommandError([f"csr: {error}"]) from None
        _require_ordered_names(given, wanted)
        digest = given.public_key_sha256
        return KeyMaterial(wanted.csr, digest, given.algorithm, given.size, None)
    key = key_pair.generate(wanted.key_algorithm, wanted.key_size)
    return KeyMaterial(
        csr=sign_request(key, wanted.common_name, wanted.sans),
        public_key_sha256=key_pair.public_key_sha256(key.public_key()),
        algorithm=wanted.key_algorithm,
        size=wanted.key_size,
        pem_sealed=vault.seal(key_pair.to_pem(key)),
    )


def use_key_again(wanted: OrderCommand, key: PrivateKey, vault: Vault) -> KeyMaterial:
    """Create a new CSR for a stored key. Raises WrongSecretKeyError if the vault can't decrypt the key."""
    pair = key_pair.from_pem(vault.open(key.pem_sealed))
    return KeyMaterial(
        csr=sign_request(pair, wanted.common_name, wanted.sans),
        public_key_sha256=key.public_key_sha256,
        algorithm=key.algorithm,
        size=key.size,
        pem_sealed=None,
        key_id=key.id,
    )


def _require_ordered_names(given: Request, wanted: OrderCommand) -> None:
    """Check that a CSR has the ordered common name and no other name than the ordered ones.

    SCM takes the common name from the CSR and may take its SANs too, but only the ordered names were checked.
    Raises BadCommandError.
    """
    problems = []
    if given.common_name.lower() != wanted.common_name:
        first = given.common_name or "no common name"
        problems.append(f"csr: it is for {first}, but the order is for {wanted.common_name}")
    ordered = {wanted.common_name, *wanted.sans}
    more = sorted({name.lower() for name in given.sans} - ordered)
    if more:
        problems.append(f"csr: it has names that are not in the order: {', '.join(more)}")
    if problems:
        raise BadCommandError(problems)


def place(
    db: Session,
    command: Command,
    account: Account,
    *,
    wanted: OrderCommand,
    checked: CheckedOrder,
    material: KeyMaterial,
    vault: Vault,
    succession: Succession | None = None,
) -> Order | None:
    """Store the order with its key, CSR and reference; once the caller has committed, nothing can be lost.

    Returns None if an order with the same intent is open: the command then ends with that order as its
    result. Raises BadCommandError if the account was removed meanwhile, or the profile doesn't allow the
    requester's key.
    """
    # FOR KEY SHARE: many orders may hold it at once, but it conflicts with the FOR UPDATE of a removal. Either
    # the removal waits for this order, or this order sees the account as removed.
    share = {"read": True, "key_share": True}
    account = db.get_one(Account, account.id, with_for_update=share, populate_existing=True)
    if account.status is AccountStatus.REMOVED:
        raise BadCommandError([f"account: {account.name!r} was removed"])
    if material.pem_sealed is None:  # the requester's key: its type is known only from the CSR
        problem = key_problem(checked.profile, material.algorithm, material.size)
        if problem is not None:
            raise BadCommandError([f"csr: {problem}"])
    intent = succession.intent if succession else business_key(account, checked, wanted, command.id)
    # This locks the intent until commit, so two commands at once can't both place an order for it.
    twin = open_twin(db, intent)
    if twin is not None:
        end_as_twin(db, command, twin)
        return None
    key = None
    if material.pem_sealed is not None:
        key = PrivateKey(
            pem_sealed=material.pem_sealed,
            algorithm=material.algorithm,
            size=material.size,
            public_key_sha256=material.public_key_sha256,
        )
        db.add(key)
        db.flush()
    password = wanted.keystore_password_sealed
    order = Order(
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
        key_id=material.key_id if key is None else key.id,
        csr=material.csr,
        public_key_sha256=material.public_key_sha256,
        keystore_type=wanted.keystore_type,
        keystore_password_sealed=(
            _renewed(vault, password.encode())
            if password
            else vault.seal(generate_password().encode())
        ),
        comments=wanted.comments,
        external_requesters=list(wanted.external_requesters),
        custom_fields=dict(wanted.custom_fields),
        # A successor belongs to its predecessor's line, and needs no licence of its own.
        line_id=succession.predecessor.line_id if succession else None,
        predecessor_id=succession.predecessor.id if succession else None,
        reason=succession.reason if succession else None,
        requested_by=command.requested_by,
    )
    db.add(order)
    db.flush()
    command.subject = order.id
    command.result = {"order_id": order.id, "order_status": order.status.value}
    why = "; ".join(checked.warnings) or None
    record(db, "order.placed", order.id, who=command.requested_by, why=why, command_id=command.id)
    event = OrderPlaced(**order_facts(order), status=OrderStatus.PLACED, certificate_id=None)
    emit_order_event(db, order, event)
    return order


def _renewed(vault: Vault, sealed: bytes) -> bytes:
    """Re-encrypt a password with the newest secret key, unless it can't be decrypted: then return it unchanged.

    The command may have been read before a rotation of secret keys that has ended since.
    """
    try:
        return vault.renew(sealed)
    except WrongSecretKeyError:
        return sealed


def business_key(
    account: Account, checked: CheckedOrder, wanted: OrderCommand, command_id: str
) -> str:
    """Return the hash that identifies the intent of an order; of one intent only one order is open at a time.

    It covers account, organisation, profile and names; with `again` also the command's id, so that an
    intended second order is a different intent.
    """
    names = sorted({wanted.common_name, *wanted.sans})
    own = command_id if wanted.again else ""
    parts = [account.id, checked.organization.scm_id, checked.profile.scm_id, *names, own]
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


def end_as_twin(db: Session, command: Command, twin: Order) -> None:
    """End a command whose intent already has an open order, with that order as its result."""
    command.subject = twin.id
    result = {
        "order_id": twin.id,
        "scm_id": twin.scm_id,
        "order_status": twin.status.value,
        "already_ordered": True,
    }
    finish(db, command, CommandStatus.DONE, result=result)
    record(
        db,
        "order.already_placed",
        twin.id,
        who=command.requested_by,
        why="the same order was requested again",
        command_id=command.id,
    )


def sent_comment(order: Order) -> str:
    """Return the comment sent to SCM: the requester's, followed by our reference.

    The reference is left out if both exceed LONGEST_COMMENT; reconciling then relies on the names.
    """
    comment = f"{order.comments} {reference_in_comment(order)}".strip()
    return comment if len(comment) <= LONGEST_COMMENT else order.comments


def reference_in_comment(order: Order) -> str:
    """Return our reference in the form in which it is put into SCM's comment."""
    return f"[certline:{order.reference}]"
