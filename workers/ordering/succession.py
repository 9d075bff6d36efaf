"""Step 0 of a renewal or a reissue: find the certificate, plan its successor, and place the order for it.

As with a new order, key, CSR and order are stored before SCM is called.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date

from sqlalchemy.orm import Session

from certline.models import (
    Account,
    AccountStatus,
    Certificate,
    Command,
    Order,
    OrderKind,
    PrivateKey,
    Profile,
)
from certline.models.accounts.catalogue import domains, organizations, profiles
from certline.models.certificates.certificate import certificate_meant
from certline.models.ciphers.place import IN_HAND, SecretPlace
from certline.models.commands.payloads import (
    OrderCommand,
    ReissueCommand,
    RenewCommand,
    read_payload,
)
from certline.models.database.secret_place import place_of
from certline.models.database.session import clock
from certline.models.lifecycle.succession import open_succession
from certline.models.lifecycle.succession_rule import (
    Hindrances,
    hindrances,
    lock_line,
    require_succession,
)
from certline.models.orders.checks import CheckedOrder, Offer, check_order, key_problem
from certline.models.validation import BadCommandError
from certline.models.vault import Vault
from certline.workers.ordering.inheritance import about, as_before, host_name
from certline.workers.ordering.kept_names import require_known_loss
from certline.workers.ordering.key_material import (
    KeyMaterial,
    make_key,
    password_problems,
    use_key_again,
)
from certline.workers.ordering.rows import Succession, end_as_twin, place


@dataclass(frozen=True)
class Plan:
    """A certificate and its planned successor.

    `wanted`: the successor's data. `key`: the stored key to use again, or None for a new one. `going`: the
    order for the same successor that is open already. `reissue_password`: what the password of a reissue is bound
    to. `renewed`: SCM has accepted a renewal of the certificate from us.
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
    reissue_password: SecretPlace = IN_HAND
    renewed: bool = False

    @property
    def password_place(self) -> SecretPlace:
        """What the keystore's password is bound to: a renewal takes over that of the certificate."""
        if self.kind is OrderKind.REISSUE:
            return self.reissue_password
        return place_of(self.predecessor, "keystore_password_sealed")

    @property
    def intent(self) -> str:
        """Business key of the successor's order: the same for every renewal (or reissue) of one line."""
        return _intent(self.kind, self.predecessor)

    @property
    def warnings(self) -> list[str]:
        """Warnings of the check."""
        return self.checked.warnings

    def make_key(self, vault: Vault) -> KeyMaterial:
        """Create the successor's CSR, with a new key or the stored one.

        Raises BadCommandError if the keystore could not be opened with the password of a reissue,
        WrongSecretKeyError if the vault can't decrypt the stored key.
        """
        # A renewal inherits its password, which is not judged again: a renewal must not fail for it.
        if self.kind is OrderKind.REISSUE:
            found = password_problems(self.wanted, vault, self.password_place)
            if found:
                raise BadCommandError(found)
        if self.key is not None:
            return use_key_again(self.wanted, self.key, vault)
        return make_key(self.wanted, vault)

    def place(
        self,
        db: Session,
        command: Command,
        material: KeyMaterial,
        vault: Vault,
        order_id: str | None = None,
    ) -> Order | None:
        """Store the successor's order.

        Returns None if an order for the same successor is open: the command then ends with that order as its
        result. Raises BadCommandError if another successor is on order, or the certificate can't have one now.
        """
        # Checked again, since the plan was made in an earlier transaction; the line is locked until commit.
        if lock_line(db, self.predecessor.line_id) is AccountStatus.REMOVED:
            raise BadCommandError([f"account: {self.account.name!r} was removed"])
        known = hindrances(db, self.predecessor)
        going = _on_its_way(db, self.predecessor, self.intent, known)
        if going is not None and not self.again:
            end_as_twin(db, command, going)
            return None
        require_succession(db, self.predecessor, self.kind, again=self.again, known=known)
        return place(
            db,
            command,
            self.account,
            # With the command's id, an intended second successor is another intent than the open one.
            intent=f"{self.intent} {command.id}" if self.again else self.intent,
            wanted=self.wanted,
            checked=self.checked,
            material=material,
            vault=vault,
            password_place=self.password_place,
            succession=Succession(self.kind, self.predecessor, self.reason),
            order_id=order_id,
        )


def plan(
    db: Session,
    asked: RenewCommand | ReissueCommand,
    offers: dict[int, Offer] | None = None,
    *,
    password_place: SecretPlace = IN_HAND,
    predecessor: Certificate | None = None,
    known: Hindrances | None = None,
) -> Plan:
    """Plan a successor, and check it against the data last synced from SCM.

    `offers` caches the synced data by account id, for callers that make many plans. `password_place`: what the
    password of a reissue is bound to. `predecessor`, `known`: the certificate and what may hinder its
    successor, if they were looked up before. Raises BadCommandError if the certificate is unknown, can't have this
    successor, or is about to get another one.
    """
    if predecessor is None:
        predecessor = certificate_meant(db, asked.certificate, asked.account)
    kind = OrderKind.RENEWAL if isinstance(asked, RenewCommand) else OrderKind.REISSUE
    known = known or hindrances(db, predecessor)
    require_succession(db, predecessor, kind, again=_again(asked), known=known)
    going = _on_its_way(db, predecessor, _intent(kind, predecessor), known)
    origin = db.get_one(Order, predecessor.order_id)
    account = origin.account
    offer = None if offers is None else offers.get(account.id)
    if offer is None:
        # SCM copies custom fields from the predecessor's record, so they are not sent or checked.
        offer = Offer(
            organizations=organizations(db, account.id),
            domains=domains(db, account.id),
            profiles=profiles(db, account.id),
            custom_fields=[],
        )
        # They outlive this session, whose rollback would expire them.
        for row in (*offer.organizations, *offer.domains, *offer.profiles):
            db.expunge(row)
        if offers is not None:
            offers[account.id] = offer
    profile = next((each for each in offer.profiles if each.scm_id == origin.profile_id), None)
    planned = planned_successor(
        asked,
        predecessor,
        account=account,
        origin=origin,
        profile=profile,
        offer=offer,
        today=clock(db).astimezone(UTC).date(),
        key=_key_again(db, predecessor, asked),
    )
    return replace(planned, going=going, reissue_password=password_place, renewed=known.renewed)


def planned_successor(
    asked: RenewCommand | ReissueCommand,
    predecessor: Certificate,
    *,
    account: Account,
    origin: Order,
    profile: Profile | None,
    offer: Offer,
    today: date,
    key: PrivateKey | None = None,
) -> Plan:
    """Plan a successor from rows that the caller has loaded, with a new key, or with `key` again.

    Raises BadCommandError listing every problem.
    """
    losses = require_known_loss(asked, predecessor)
    inherited = (predecessor.common_name, *predecessor.sans)
    alike = asked
    if key is not None:
        # The key is fixed, as if the command had named its kind.
        alike = asked.model_copy(update={"key_algorithm": key.algorithm, "key_size": key.size})
        _require_allowed(predecessor, key, profile)
    data = as_before(predecessor, origin, profile, alike)
    try:
        # Not searched for private keys: the data are stored already, and `asked` was searched.
        wanted = read_payload(OrderCommand, data.fields, searched=True)
        checked = check_order(
            wanted.model_copy(update={"custom_fields": {}}),
            offer,
            today,
            inherited={host_name(name) or name for name in inherited},
        )
    except BadCommandError as bad:
        typed = asked.model_dump(exclude_none=True)
        raise BadCommandError(about(predecessor, bad.problems, typed)) from None
    remarks = [*data.remarks, *_remarks(predecessor)]
    warnings = [
        *checked.warnings,
        *losses,
        *(f"{predecessor.common_name}: {each}" for each in remarks),
    ]
    return Plan(
        account=account,
        predecessor=predecessor,
        kind=OrderKind.RENEWAL if isinstance(asked, RenewCommand) else OrderKind.REISSUE,
        wanted=wanted,
        checked=replace(checked, warnings=warnings),
        reason=asked.reason if isinstance(asked, ReissueCommand) else None,
        again=_again(asked),
        key=key,
    )


def _require_allowed(predecessor: Certificate, key: PrivateKey, profile: Profile | None) -> None:
    problem = None if profile is None else key_problem(profile, key.algorithm, key.size)
    if problem is not None:
        name = f"{predecessor.id} ({predecessor.common_name})"
        raise BadCommandError(
            [
                (
                    f"certificate: {name}: its key can't be used again, because {problem}. Without "
                    "--reuse-key (in a message: reuse_key) it gets a new key that is allowed"
                )
            ]
        )


def _again(asked: RenewCommand | ReissueCommand) -> bool:
    return isinstance(asked, RenewCommand) and asked.again


def _key_again(
    db: Session, predecessor: Certificate, asked: RenewCommand | ReissueCommand
) -> PrivateKey | None:
    """Return the stored key that a renewal is to use again; None for a new key, also if none is stored."""
    if not isinstance(asked, RenewCommand) or not asked.reuse_key or predecessor.key_id is None:
        return None
    return db.get_one(PrivateKey, predecessor.key_id)


def _intent(kind: OrderKind, predecessor: Certificate) -> str:
    return f"{kind} of {predecessor.line_id}"


def _on_its_way(
    db: Session, predecessor: Certificate, intent: str, known: Hindrances
) -> Order | None:
    """Return the line's open successor order, if it has this intent. Raises BadCommandError for another one."""
    if not known.on_order:
        return None
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
    return ("its key is not stored; its successor gets a new key, which is stored",)
