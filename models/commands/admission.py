"""Admission of commands that arrive as messages: the single place where they are validated and recorded."""

from typing import Any

from sqlalchemy.orm import Session

from certline.models.audit.identity import Identity
from certline.models.commands.command import Command, accept, require_same
from certline.models.commands.envelope import IncomingCommand
from certline.models.commands.kinds import CommandType
from certline.models.validation import BadCommandError
from certline.models.vault import Vault, WrongSecretKeyError


def admit(
    db: Session, vault: Vault, asked: IncomingCommand, *, user_id: str | None
) -> tuple[Command, bool]:
    """Record a command together with the outbox row that wakes a worker. Returns (command, whether it is new).

    Whether the command can be carried out is decided later by its step, which marks it as failed if not.
    `user_id`: RabbitMQ's user, if it vouches for the sender. The event's source is kept beside it, as a claim.
    Raises BadCommandError, and OtherCommandError if the id was already used for another command.
    """
    payload = _payload(vault, asked)
    return accept(
        db,
        CommandType(asked.name),
        payload,
        requested_by=Identity.of_message(user_id, asked.source),
        source=asked.source,
        command_id=asked.id,
    )


def require_admissible(db: Session, vault: Vault, asked: IncomingCommand) -> None:
    """Check that a command would be recorded. Raises BadCommandError or OtherCommandError if not."""
    payload = _payload(vault, asked)
    first = db.get(Command, asked.id)
    if first is not None:
        require_same(first, CommandType(asked.name), payload)


def _payload(vault: Vault, asked: IncomingCommand) -> dict[str, Any]:
    # Without defaults: a default that is sent and one that is left out must give the same digest.
    payload = asked.payload.model_dump(mode="json", exclude_defaults=True)
    return {name: _sealed(vault, name, value) for name, value in payload.items()}


def _sealed(vault: Vault, name: str, value: Any) -> Any:
    """Return a value as it is stored. Secrets are re-encrypted with the newest key, so that messages sent
    after a key rotation do not bring the old key back. A password in clear text is refused, and not
    repeated in the error.
    """
    if not name.endswith("_sealed"):
        return value
    try:
        return vault.renew(str(value).encode()).decode()
    except WrongSecretKeyError:
        raise BadCommandError(
            [f"data.{name}: is not sealed with the secret key of this installation"]
        ) from None
