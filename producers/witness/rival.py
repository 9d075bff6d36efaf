"""The rival: another database that keeps its witness in the same place, as a copy at the original's vhost does.

What is alive is not overwritten: the original would take the copy's witness for its own, and recover.
"""

import time

import structlog

log = structlog.get_logger()

# Seconds after which a witness that nobody has renewed is that of a database that is gone. One in use is renewed
# three times as often (`keeper.RENEW_EVERY`).
GONE_AFTER = 60.0
ADVICE = (
    "another database writes its witness in this vhost of RabbitMQ: one of the two is a copy of the other, and "
    "needs a vhost of its own (docs/backup.md)"
)


class Rival:
    """What is known of another database's witness, from reading it again and again. Used by one thread."""

    def __init__(self) -> None:
        self._last: bytes | None = None
        self._since = 0.0
        self.is_alive = False

    @property
    def may_be_alive(self) -> bool:
        """True until its witness has stayed the same for long enough."""
        return self._last is not None and time.monotonic() - self._since < GONE_AFTER

    def see(self, body: bytes) -> None:
        """Note the witness of another database. It is alive if the witness has changed since it was seen last."""
        if body == self._last:
            if not self.may_be_alive:
                self.is_alive = False
            return
        if self._last is not None and not self.is_alive:
            self.is_alive = True
            log.error("witness.of_another", advice=ADVICE)
        self._last, self._since = body, time.monotonic()

    def forget(self) -> None:
        """Note that the place has a witness of this database, or one that counts for nothing."""
        self._last, self.is_alive = None, False
