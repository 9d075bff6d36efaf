"""The one way in for commands that come as messages, whichever door they came through."""

from typing import Any

from sqlalchemy.orm import Session

from certline.models.commands.command import Command, CommandType, accept, require_same
from certline.models.commands.envelope import Asked
from certline.models.validation import BadCommandError
from certline.models.vault import Vault, WrongSecretKeyError


def admit(
    db: Session, vault: Vault, asked: Asked, *, requested_by: str | None = None
) -> tuple[Command, bool]:
    """Record a command with the outbox row that will wake a worker; answers (command, is it new).

    Whether it can be done is the step's business: a command that is refused there has failed, and
    is listed. `requested_by` where RabbitMQ vouches for the sender; else it is the event's source.
    Raises BadCommandError, and OtherCommandError where the id stands for something else.
    """
    payload = _payload(vault, asked)
    return accept(
        db,
        CommandType(asked.name),
        payload,
        requested_by=requested_by or asked.source,
        source=asked.source,
        command_id=asked.id,
    )


def require_admissible(db: Session, vault: Vault, asked: Asked) -> None:
    """Say why a command would not be recorded. Raises BadCommandError, OtherCommandError."""
    payload = _payload(vault, asked)
    first = db.get(Command, asked.id)
    if first is not None:
        require_same(first, CommandType(asked.name), payload)


def _payload(vault: Vault, asked: Asked) -> dict[str, Any]:
    payload = asked.payload.model_dump(mode="json", exclude_defaults=True)
    return {name: _sealed(vault, name, value) for name, value in payload.items()}


def _sealed(vault: Vault, name: str, value: Any) -> Any:
    """A value as it is stored: a secret under the newest key, so that no old one comes in again
    after a rotation. A password in the clear is refused, and not repeated.
    """
    if not name.endswith("_sealed"):
        return value
    try:
        return vault.renew(str(value).encode()).decode()
    except WrongSecretKeyError:
        raise BadCommandError(
            [f"data.{name}: is not sealed with the secret key of this line"]
        ) from None
