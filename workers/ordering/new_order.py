"""Orders of new certificates: their check against the data last synced from SCM, and their intent."""

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC

from sqlalchemy.orm import Session

from certline.models import Account, Command, Order
from certline.models.accounts.catalogue import custom_fields, domains, organizations, profiles
from certline.models.certificates.certificate import active_for
from certline.models.ciphers.place import IN_HAND, SecretPlace
from certline.models.commands.payloads import OrderCommand
from certline.models.database.session import clock
from certline.models.orders.checks import CheckedOrder, Offer, check_order
from certline.models.vault import Vault
from certline.workers.ordering.key_material import (
    KeyMaterial,
    make_key,
    password_problems,
)
from certline.workers.ordering.rows import place


@dataclass(frozen=True)
class NewOrder:
    """Draft of an order that succeeds no certificate. `password_place`: what the password in it is bound to."""

    account: Account
    checked: CheckedOrder
    password_place: SecretPlace

    @property
    def wanted(self) -> OrderCommand:
        """The order, with what the requester left open filled in."""
        return self.checked.wanted

    @property
    def warnings(self) -> list[str]:
        """Warnings of the check."""
        return self.checked.warnings

    def make_key(self, vault: Vault) -> KeyMaterial:
        """Generate the key and CSR, or read the CSR of the requester. Raises BadCommandError."""
        return make_key(self.wanted, vault)

    def place(
        self,
        db: Session,
        command: Command,
        material: KeyMaterial,
        vault: Vault,
        order_id: str | None = None,
    ) -> Order | None:
        """Store the order (`place`)."""
        return place(
            db,
            command,
            self.account,
            intent=business_key(self.account, self.checked, self.wanted, command.id),
            wanted=self.wanted,
            checked=self.checked,
            material=material,
            vault=vault,
            password_place=self.password_place,
            order_id=order_id,
        )


def draft_of(
    db: Session,
    account: Account,
    wanted: OrderCommand,
    vault: Vault,
    password_place: SecretPlace = IN_HAND,
) -> NewOrder:
    """Check an order, and return it as a draft: the only check, for users, other systems and dry runs alike.

    It is compared with the data last synced from SCM; its CSR and its keystore's password are checked too.
    `password_place`: what that password is bound to. Raises BadCommandError listing every problem.
    """
    offer = Offer(
        organizations=organizations(db, account.id),
        domains=domains(db, account.id),
        profiles=profiles(db, account.id),
        custom_fields=custom_fields(db, account.id),
    )
    problems = password_problems(wanted, vault, password_place)
    today = clock(db).astimezone(UTC).date()
    checked = check_order(wanted, offer, today, problems=problems)
    warnings = [*checked.warnings, *_in_force(db, account, checked.wanted)]
    return NewOrder(account, replace(checked, warnings=warnings), password_place)


def _in_force(db: Session, account: Account, wanted: OrderCommand) -> list[str]:
    """Return a warning if a certificate of this name is active: an order makes another line beside it."""
    active = active_for(db, account.id, wanted.common_name)
    if not active:
        return []
    first, more = active[0], len(active) - 1
    others = f" (and {more} more)" if more else ""
    ends = f"{first.not_after.astimezone(UTC):%Y-%m-%d}"
    warning = (
        f"{wanted.common_name} has an active certificate, {first.id}, which expires on {ends}{others}; this "
        "order adds another one with a licence of its own. To renew the present one instead: certline "
        f"certificate renew {first.id}"
    )
    return [warning]


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
