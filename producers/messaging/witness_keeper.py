"""The relay's part in noticing a restore that leaves the database's identity as it is, as of a copied folder.

Every few seconds it keeps the head of the audit log outside the database, if that has changed: the witness. When
it is connected anew it compares the database with the witness; until that is done for a server that was started
since, no worker can claim an order (`models.restore.recovery.clear_to_send`).
"""

import time
from datetime import datetime
from math import inf

import structlog
from sqlalchemy.orm import Session

from certline.models import Database
from certline.models.audit.witness import ForgedWitnessError, Witness, has_entries_of, witness_of
from certline.models.restore.testimony import (
    begin_by_witness,
    is_noted,
    note_compared,
    witness_key,
)
from certline.producers.messaging.witness_store import WitnessStore

log = structlog.get_logger()

# Seconds between two looks at the head of the log. What is ordered after the last of them has no witness.
LOOK_EVERY = 3.0


class WitnessKeeper:
    """Compares, and keeps, the witness of one database. Used by one thread."""

    def __init__(self, database: Database, store: WitnessStore) -> None:
        self._database = database
        self._store = store
        self._key: bytes | None = None
        self._next_look = inf  # nothing is kept before the first comparison
        # The newest that this process knows the database to contain, and whether the store has it.
        self._known: Witness | None = None
        self._is_kept = False
        # What `look` has found: a newer one, or that the database has to be compared again.
        self._newer: Witness | None = None
        self._is_in_doubt = False
        self._server_start: datetime | None = None

    @property
    def is_due(self) -> bool:
        """True if the next `look` reads the head of the log."""
        return time.monotonic() >= self._next_look

    def compare(self) -> None:
        """Compare the database with the witness, and with what this process knows of it; a restore is noted.

        Raises WireDownError, and OUTAGES.
        """
        body = self._store.read()
        with self._database.transaction() as db:
            self._key = witness_key(db) or None
            if self._key is None:  # a dump is being restored; without the row, no claim succeeds
                self._newer, self._is_in_doubt = None, False
                self._next_look = time.monotonic() + LOOK_EVERY
                return
            kept = self._read(body)
            newest = None
            for witness in filter(None, (self._known, kept)):
                if has_entries_of(db, witness.head):
                    newest = witness
                else:
                    _note_restore(db, witness)
            self._server_start = note_compared(db)
        self._known, self._is_kept = newest, newest is not None and newest == kept
        self._newer, self._is_in_doubt = None, False
        self._next_look = 0.0

    def look(self, db: Session) -> None:
        """Read the head of the log in a transaction of the relay, if it is time to. Raises DBAPIError."""
        if not self.is_due:
            return
        self._next_look = time.monotonic() + LOOK_EVERY
        now = witness_of(db)
        if not is_noted(db, self._server_start):
            self._is_in_doubt = True
        elif self._known is None or self._known.head != now.head:
            self._is_in_doubt = self._known is not None and not has_entries_of(db, self._known.head)
            self._newer = now
        elif not self._is_kept:
            self._newer = now

    def keep(self) -> None:
        """Keep what `look` has found, once its transaction has ended. Raises WireDownError, and OUTAGES."""
        if self._is_in_doubt:
            self.compare()
        newer, self._newer = self._newer, None
        if newer is not None and self._key is not None and newer.head.seq:
            self._known = newer
            self._is_kept = self._store.write(newer.signed(self._key))

    def _read(self, body: bytes | None) -> Witness | None:
        if body is None or self._key is None:
            return None
        try:
            return Witness.read(body, self._key)
        except ForgedWitnessError as error:
            log.warning(
                "witness.ignored",
                why=str(error),
                advice="if the database was restored: certline recover",
            )
            return None


class NoWitness:
    """Stands for a keeper where nothing is kept: it does nothing."""

    is_due = False

    def compare(self) -> None:
        """Do nothing."""

    def look(self, db: Session) -> None:
        """Do nothing."""

    def keep(self) -> None:
        """Do nothing."""


def _note_restore(db: Session, witness: Witness) -> None:
    at = witness.at.strftime("%Y-%m-%d %H:%M:%S %Z")
    why = f"the audit log had {witness.head.seq} entries at {at}, as its witness says, and lacks some of them"
    if begin_by_witness(db, why, witness.at):
        log.warning("witness.contradicts", why=why)
