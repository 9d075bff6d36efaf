"""Step 0 of a renewal or a reissue: which certificate, what is to take its place, and the order for it.

As with a new order, key, CSR and order are stored before SCM hears of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date

from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models import (
    Account,
    Certificate,
    CertificateStatus,
    Command,
    Order,
    OrderKind,
    PrivateKey,
    Profile,
)
from certline.models.accounts.catalogue import domains, organizations, profiles
from certline.models.certificates.certificate import certificate_meant
from certline.models.certificates.line import Line as CertificateLine
from certline.models.commands.payloads import (
    OrderCommand,
    ReissueCommand,
    RenewCommand,
    read_payload,
)
from certline.models.database.session import clock
from certline.models.lifecycle.succession import open_succession
from certline.models.orders.checks import CheckedOrder, Offer, check_order
from certline.models.orders.order import order_of_command
from certline.models.validation import BadCommandError
from certline.models.vault import Vault
from certline.workers.ordering.inherited import as_before, changes
from certline.workers.ordering.placement import (
    KeyMaterial,
    Succession,
    end_as_twin,
    make_key,
    place,
    use_key_again,
)
from certline.workers.runtime.context import Line
from certline.workers.runtime.outcomes import GiveUp


@dataclass(frozen=True)
class Plan:
    """A certificate, and what is to take its place: `wanted` has the successor's data, `key` is the
    key that is used again, and `going` the order of the same that is open already.
    """

    account: Account
    predecessor: Certificate
    kind: OrderKind
    wanted: OrderCommand
    checked: CheckedOrder
    reason: str | None
    again: bool
    key: PrivateKey | None = None
    going: Order | None = None

    @property
    def intent(self) -> str:
        """What makes two of them the same: a line is renewed once at a time."""
        return _intent(self.kind, self.predecessor)


def plan(
    db: Session, asked: RenewCommand | ReissueCommand, offers: dict[int, Offer] | None = None
) -> Plan:
    """Find out what is to be ordered, and check it against what was synced. Raises BadCommandError.

    `offers`, by account, keep what was synced from one plan to the next.
    """
    predecessor = certificate_meant(db, asked.certificate, asked.account)
    kind = OrderKind.RENEWAL if isinstance(asked, RenewCommand) else OrderKind.REISSUE
    require_succession(db, predecessor, kind)
    going = _on_its_way(db, predecessor, _intent(kind, predecessor))
    account = db.get_one(Account, predecessor.account_id)
    origin = db.get_one(Order, predecessor.order_id)
    profile = db.get(Profile, {"account_id": account.id, "scm_id": origin.profile_id})
    if offers is None:
        offers = {}
    if account.id not in offers:
        # SCM has the custom fields of the record, and copies them.
        offers[account.id] = Offer(
            organizations=organizations(db, account.id),
            domains=domains(db, account.id),
            profiles=profiles(db, account.id),
            custom_fields=[],
        )
    planned = planned_successor(
        asked,
        predecessor,
        account=account,
        origin=origin,
        profile=profile,
        offer=offers[account.id],
        today=clock(db).astimezone(UTC).date(),
    )
    return replace(planned, key=_key_again(db, predecessor, asked), going=going)


def planned_successor(
    asked: RenewCommand | ReissueCommand,
    predecessor: Certificate,
    *,
    account: Account,
    origin: Order,
    profile: Profile | None,
    offer: Offer,
    today: date,
) -> Plan:
    """What is to take a certificate's place with a fresh key, from the rows that say it.

    Raises BadCommandError.
    """
    data = as_before(predecessor, origin, profile)
    if isinstance(asked, ReissueCommand):
        data |= changes(predecessor, asked)
    wanted = read_payload("order", data)
    assert isinstance(wanted, OrderCommand)  # noqa: S101  # for mypy: the name says so
    checked = check_order(wanted.model_copy(update={"custom_fields": {}}), offer, today)
    return Plan(
        account=account,
        predecessor=predecessor,
        kind=OrderKind.RENEWAL if isinstance(asked, RenewCommand) else OrderKind.REISSUE,
        wanted=wanted,
        checked=replace(checked, warnings=[*checked.warnings, *_remarks(predecessor)]),
        reason=asked.reason if isinstance(asked, ReissueCommand) else None,
        again=isinstance(asked, RenewCommand) and asked.again,
    )


def material_for(planned: Plan, vault: Vault) -> KeyMaterial:
    """The successor's key and its CSR. Slow for RSA: no transaction should be open.

    Raises WrongSecretKeyError.
    """
    if planned.key is not None:
        return use_key_again(planned.wanted, planned.key, vault)
    return make_key(planned.wanted, vault)


def require_succession(db: Session, certificate: Certificate, kind: OrderKind) -> None:
    """Raise BadCommandError for a certificate that can't have a successor of this kind."""
    line = db.get_one(CertificateLine, certificate.line_id)
    name = f"certificate: {certificate.id} ({certificate.common_name})"
    if line.deleted_at is not None:
        raise BadCommandError([f"{name} belongs to a line that was deleted"])
    match certificate.status:
        case CertificateStatus.ACTIVE:
            return
        case CertificateStatus.EXPIRED:
            if kind is OrderKind.RENEWAL:  # SCM renews it all the same
                return
            raise BadCommandError([f"{name} has expired: renew it"])
        case CertificateStatus.SUPERSEDED:
            newest = db.scalars(
                select(Certificate.id)
                .where(Certificate.line_id == certificate.line_id)
                .order_by(Certificate.created_at.desc(), Certificate.id.desc())
            ).first()
            raise BadCommandError([f"{name} is superseded; the newest of its line is {newest}"])
        case CertificateStatus.REVOKED:
            raise BadCommandError([f"{name} is revoked: order a new one"])


def place_successor(
    db: Session, command: Command, planned: Plan, material: KeyMaterial, vault: Vault
) -> Order | None:
    """Store the order. None where the same is on order already: then the command ends with that.

    Raises BadCommandError where the line is on its way to another successor.
    """
    going = _on_its_way(db, planned.predecessor, planned.intent)
    if going is not None and not planned.again:
        end_as_twin(db, command, going)
        return None
    # Its successor may have been stored since the plan was made.
    predecessor = db.get_one(Certificate, planned.predecessor.id, populate_existing=True)
    require_succession(db, predecessor, planned.kind)
    intent = f"{planned.intent} {command.id}" if planned.again else planned.intent
    return place(
        db,
        command,
        db.get_one(Account, planned.account.id),
        wanted=planned.wanted,
        checked=planned.checked,
        material=material,
        vault=vault,
        succession=Succession(planned.kind, predecessor, intent, planned.reason),
    )


def placed(line: Line, command: Command) -> str | None:
    """The command's order; placed now where the command came without one (another system's).

    None where the same is on order already, or has been stored since it was asked for. Raises GiveUp
    for what can't be ordered.
    """
    try:
        with line.database.transaction() as db:
            present = order_of_command(db, command.id)
            if present is not None:
                return present.id
            asked = read_payload(command.type, command.payload)
            assert isinstance(asked, RenewCommand | ReissueCommand)  # noqa: S101  # for mypy
            if _ends_with_what_is_stored(db, command, asked):
                return None
            planned = plan(db, asked)
        material = material_for(planned, line.vault)
        with line.database.transaction() as db:
            mine = db.get_one(Command, command.id, with_for_update=True)
            present = order_of_command(db, command.id)
            if present is None and _ends_with_what_is_stored(db, mine, asked):
                return None
            order = present or place_successor(db, mine, planned, material, line.vault)
            return None if order is None else order.id
    except BadCommandError as bad:
        raise GiveUp(str(bad)) from None


def _ends_with_what_is_stored(
    db: Session, command: Command, asked: RenewCommand | ReissueCommand
) -> bool:
    """Whether the certificate was renewed after this renewal of it was asked for (that of another
    batch, say): then it is what was wanted, and the command ends with it.
    """
    if not isinstance(asked, RenewCommand) or asked.again:
        return False
    order = db.scalars(
        select(Order)
        .join(Certificate, Certificate.id == Order.certificate_id)
        .where(
            Certificate.supersedes_id == asked.certificate.upper(),
            Certificate.created_at >= command.created_at,
            Order.kind != OrderKind.REISSUE,
        )
    ).first()
    if order is not None:
        end_as_twin(db, db.get_one(Command, command.id, with_for_update=True), order)
    return order is not None


def _key_again(
    db: Session, predecessor: Certificate, asked: RenewCommand | ReissueCommand
) -> PrivateKey | None:
    """The key that a renewal is to use again; None for a fresh one, as where the old one isn't here."""
    if not isinstance(asked, RenewCommand) or not asked.reuse_key or predecessor.key_id is None:
        return None
    return db.get_one(PrivateKey, predecessor.key_id)


def _intent(kind: OrderKind, predecessor: Certificate) -> str:
    return f"{kind} of {predecessor.line_id}"


def _on_its_way(db: Session, predecessor: Certificate, intent: str) -> Order | None:
    """The open order of the same intent. Raises BadCommandError for one of another."""
    going = open_succession(db, predecessor.line_id)
    if going is None or going.business_key.startswith(intent):
        return going
    raise BadCommandError(
        [
            (
                f"certificate: another successor of {predecessor.common_name} is on its way: "
                f"order {going.id} ({going.kind}, {going.status})"
            )
        ]
    )


def _remarks(predecessor: Certificate) -> Sequence[str]:
    if predecessor.key_id is not None:
        return ()
    name = predecessor.common_name
    return (f"the key of {name} is not kept here; that of its successor is made and kept here",)
