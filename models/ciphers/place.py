"""Places: where a stored secret belongs. A secret is encrypted for its place, and opens nowhere else."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class SecretPlace:
    """Table, column and id of the row that a secret belongs to.

    `beside`: further values of the row that the secret must not be used without, such as the URL that a password
    is sent to; None counts as an empty text.
    """

    table: str
    column: str
    row: str
    beside: tuple[str | None, ...] = ()

    def __str__(self) -> str:
        return f"{self.table}.{self.column} of {self.row}"

    @property
    def associated_data(self) -> bytes:
        """The place as bytes, the same for no other place."""
        parts = [self.table, self.column, self.row, *(each or "" for each in self.beside)]
        return json.dumps(parts).encode()


# A password between the prompt and the row of its command: a text of this place is stored nowhere.
IN_HAND = SecretPlace("request", "keystore_password_sealed", "")


def in_command(command_id: str, field: str = "keystore_password_sealed") -> SecretPlace:
    """Return the place of a secret in a command's payload."""
    return SecretPlace("command", f"payload.{field}", command_id)
