"""Quota of a sender's open commands, so that no sender fills the line for all others."""

import time

from sqlalchemy.orm import Session

from certline.models.senders.origin import open_commands_of
from certline.models.validation import BadCommandError

# Seconds for which a count holds: accepting a command must not cost a further statement.
COUNT_EVERY = 10.0


class OpenQuota:
    """Refuses new commands of a RabbitMQ user who has `most` open ones; None: as many as come."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        # By user: when they were counted (monotonic seconds), and how many there were.
        self._counts: dict[str, tuple[float, int]] = {}

    def require_room(self, db: Session, user_id: str | None) -> None:
        """Raise BadCommandError if the sender of a new command has too many open ones already."""
        if self._most is None or user_id is None:
            return
        counted, count = self._counts.get(user_id, (float("-inf"), 0))
        if time.monotonic() - counted >= COUNT_EVERY:
            count = open_commands_of(db, user_id, self._most + 1)
            self._counts[user_id] = time.monotonic(), count
        else:
            # What was accepted since; what ended since is seen by the next count.
            count += 1
            self._counts[user_id] = counted, count
        if count > self._most:
            why = (
                f"the sender {user_id!r} has {self._most} open commands, and may have no more; "
                "send it again when some have ended (CERTLINE_MOST_OPEN_COMMANDS)"
            )
            raise BadCommandError([why])
