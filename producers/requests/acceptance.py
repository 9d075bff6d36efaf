"""Acceptance of a user's request: it is recorded as a command, and the same request again is not."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from certline.models import Command, CommandType, Database, Order
from certline.models.audit.identity import Identity
from certline.models.ciphers.place import IN_HAND, in_command
from certline.models.commands.command import accept, require_same
from certline.models.commands.idempotency import known_id
from certline.models.commands.payloads import Payload
from certline.models.vault import Vault
from certline.workers.ordering.placement import D, Placed, place_once


@dataclass(frozen=True)
class Accepted:
    """A command that was accepted. `new` is False if the same command had been accepted before.

    `already`: the open order of the same intent, which the command refers to instead of placing a new one.
    """

    command: Command
    new: bool
    warnings: list[str]
    already: Order | None = None


@dataclass(frozen=True)
class UserRequest:
    """A user's request that is to become a command. `command_id`: the id that the user chose for it, if any.

    `vault`: needed for requests with a password, which is bound to its command (before, it is `IN_HAND`).
    """

    kind: CommandType
    wanted: Payload
    requested_by: Identity
    command_id: str | None = None
    vault: Vault | None = None

    @property
    def payload(self) -> dict[str, Any]:
        """Payload of the command, as it is stored but for its passwords."""
        return self.wanted.model_dump(mode="json", exclude_defaults=True)

    def earlier(self, db: Session) -> Accepted | None:
        """Return the command that was accepted with the same id before, or None.

        Raises OtherCommandError if the id was used for something else, BadCommandError if it is not a UUID.
        """
        if self.command_id is None:
            return None
        first = db.get(Command, known_id(self.command_id))
        if first is None:
            return None
        require_same(first, self.kind, self.payload)
        return Accepted(first, False, [])

    def accept(self, db: Session, subject: str | None = None) -> Accepted:
        """Record the command. Raises OtherCommandError if its id was used for something else."""
        command_id = known_id(self.command_id or str(uuid.uuid4()))
        command, new = accept(
            db,
            self.kind,
            self._stored(command_id),
            requested_by=self.requested_by,
            source="cli",
            command_id=command_id,
            subject=subject,
        )
        return Accepted(command, new, [])

    def _stored(self, command_id: str) -> dict[str, Any]:
        payload = self.payload
        for name in [each for each in payload if each.endswith("_sealed")]:
            assert self.vault is not None, "a request with a password needs the vault"  # noqa: S101
            given = payload[name].encode()
            payload[name] = self.vault.move(given, IN_HAND, in_command(command_id, name)).decode()
        return payload

    def place(
        self,
        database: Database,
        vault: Vault,
        draft: Callable[[Session], D],
        begin: Callable[[Session, D], None] = lambda _, __: None,
    ) -> Accepted:
        """Accept the command and place its order (`place_once`).

        `draft` checks the order; `begin` comes before the command, in the transaction that places the order.
        """

        def earlier(db: Session) -> Placed | None:
            first = self.earlier(db)
            return None if first is None else Placed(first.command)

        def command(db: Session, checked: D) -> Command | Placed:
            begin(db, checked)
            accepted = self.accept(db)
            return accepted.command if accepted.new else Placed(accepted.command)

        placed = place_once(database, vault, earlier=earlier, draft=draft, command=command)
        return Accepted(placed.command, placed.new, placed.warnings, placed.already)
