"""Step 0 of an order: check it, generate its key, and store everything once, before SCM is called.

A request of the command line and the step of a command that came without an order follow the same path.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from sqlalchemy.orm import Session

from certline.models import Command, Database, Order
from certline.models.orders.order import order_of_command
from certline.models.validation import BadCommandError
from certline.models.vault import Vault
from certline.workers.ordering.key_material import KeyMaterial
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.outcomes import GiveUp


class Draft(Protocol):
    """A checked order that is to be placed: a new one, or a successor."""

    @property
    def warnings(self) -> list[str]:
        """Warnings of the check."""

    def make_key(self, vault: Vault) -> KeyMaterial:
        """Create the order's CSR. Slow for RSA: call it with no transaction open."""

    def place(
        self,
        db: Session,
        command: Command,
        material: KeyMaterial,
        vault: Vault,
        order_id: str | None = None,
    ) -> Order | None:
        """Store the order. Returns None if an order with the same intent is open, which ends the command.

        `order_id`: the id that `rows.begin_order` has given to the command's order.
        """


D = TypeVar("D", bound=Draft)


@dataclass(frozen=True)
class Placed:
    """Outcome of `place_once`. `new` is False if the same command had been handled before.

    `order`: the command's order, or None if the command ended without one. `already`: the open order with the
    same intent, which ended the command.
    """

    command: Command
    order: Order | None = None
    new: bool = False
    warnings: list[str] = field(default_factory=list)
    already: Order | None = None


def place_once(
    database: Database,
    vault: Vault,
    *,
    earlier: Callable[[Session], Placed | None],
    draft: Callable[[Session], D],
    command: Callable[[Session, D], Command | Placed],
) -> Placed:
    """Place a command's order, however often the command is requested or run.

    `earlier` returns what the command has led to already, or None; `draft` checks the order. `command` stores
    or locks the command in the transaction that places its order, or returns what a concurrent run has placed.
    """
    with database.transaction() as db:
        done = earlier(db)
        if done is not None:
            return done
        checked = draft(db)
    # Generating a key takes time: between the transactions, so that no lock is held meanwhile.
    material = checked.make_key(vault)
    with database.transaction() as db:
        mine = command(db, checked)
        if isinstance(mine, Placed):  # a concurrent run was faster: the new key is discarded
            return mine
        order = checked.place(db, mine, material, vault)
        already = db.get(Order, mine.subject) if order is None else None
    return Placed(mine, order, True, checked.warnings, already)


def earlier_order(db: Session, command: Command) -> Placed | None:
    """Return the order that a run of this command has placed before, or None."""
    present = order_of_command(db, command.id)
    return None if present is None else Placed(command, present)


def order_to_send(
    context: WorkerContext,
    command: Command,
    draft: Callable[[Session], D],
) -> Order | None:
    """Return the order of a stored command; place the order if the command, of another system, has none yet.

    Returns None if the command has ended without an order of its own. Raises GiveUp if the order is invalid.
    """

    def locked(db: Session, _: D) -> Command | Placed:
        # A parallel run of this command may have placed the order meanwhile, so lock the command and check again.
        mine = db.get_one(Command, command.id, with_for_update=True)
        return earlier_order(db, mine) or mine

    try:
        placed = place_once(
            context.database,
            context.vault,
            earlier=lambda db: earlier_order(db, command),
            draft=draft,
            command=locked,
        )
    except BadCommandError as bad:
        raise GiveUp(str(bad)) from None
    return placed.order
