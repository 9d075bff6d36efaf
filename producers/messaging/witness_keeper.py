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
    Memory,
    begin_by_witness,
    begin_without_witness,
    is_noted,
    memory_of,
    note_compared,
    note_kept,
)
from certline.producers.messaging.witness_store import WitnessStore

log = structlog.get_logger()

# Seconds between two looks at the head of the log. What is ordered after the last of them has no witness.
LOOK_EVERY = 3.0
# Why a recovery begins without a witness.
GONE = "a witness of the audit log was kept outside the database and is gone"
OF_ANOTHER = (
    "the witness of the audit log that is kept outside is not signed with this database's key"
)
UNKNOWN = "so nothing tells whether the database went back"


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
        # Whether the database knows that a witness is kept; since when one that it knows of is not found.
        self._is_kept_noted = False
        self._missing_since: float | None = None

    @property
    def is_due(self) -> bool:
        """True if the next `look` reads the head of the log."""
        return time.monotonic() >= self._next_look

    def compare(self) -> None:
        """Compare the database with the witness, and with what this process knows of it; a restore is noted.

        Nothing is noted while a witness that was kept is not found, but may be held by another relay; the next
        `look` leads here again. Raises WireDownError, and OUTAGES.
        """
        with self._database.transaction() as db:
            memory = memory_of(db)
            self._key = memory.key
            self._newer, self._is_in_doubt = None, False
            self._next_look = time.monotonic() + LOOK_EVERY
            if memory.key is None:  # a dump is being restored; without the row, no claim succeeds
                return
            # Within the transaction: a relay that is frozen between reading and comparing finds it ended, and does
            # not compare an old witness with a database that was restored meanwhile.
            body = self._store.read()
            kept = self._read(body)
            newest, has_begun = None, False
            for witness in filter(None, (self._known, kept)):
                if has_entries_of(db, witness.head):
                    newest = witness
                else:
                    has_begun |= _note_restore(db, witness)
            if kept is None and not memory.is_compared and not has_begun:
                if self._may_come_back(memory, body):
                    return
                if memory.was_kept or body is not None:
                    _mistrust(db, GONE if body is None else OF_ANOTHER)
            self._missing_since = None
            self._server_start = note_compared(db)
        self._known, self._is_kept = newest, newest is not None and newest == kept
        self._is_kept_noted = memory.was_kept and memory.is_compared
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
        if self._is_kept and not self._is_kept_noted and not self._is_in_doubt:
            note_kept(db)
            self._is_kept_noted = True

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

    def _may_come_back(self, memory: Memory, body: bytes | None) -> bool:
        """Return True while a witness that was kept, and is not there, may be held by a relay that is frozen."""
        if body is not None or not memory.was_kept:
            return False
        now = time.monotonic()
        if self._missing_since is None:
            self._missing_since = now
            if self._store.held_for:
                log.warning("witness.missing", waits_seconds=self._store.held_for)
        return now - self._missing_since < self._store.held_for


class NoWitness:
    """Stands for a keeper where nothing is kept: it does nothing."""

    is_due = False

    def compare(self) -> None:
        """Do nothing."""

    def look(self, db: Session) -> None:
        """Do nothing."""

    def keep(self) -> None:
        """Do nothing."""


def _note_restore(db: Session, witness: Witness) -> bool:
    """Begin a recovery because the database lacks what a witness counts. Returns False if one was begun since."""
    at = witness.at.strftime("%Y-%m-%d %H:%M:%S %Z")
    why = f"the audit log had {witness.head.seq} entries at {at}, as its witness says, and lacks some of them"
    has_begun = begin_by_witness(db, why, witness.at)
    if has_begun:
        log.warning("witness.contradicts", why=why)
    return has_begun


def _mistrust(db: Session, what: str) -> None:
    """Begin a recovery because no witness can be read, though there should be one."""
    why = f"{what}, {UNKNOWN}"
    if begin_without_witness(db, why):
        log.warning("witness.says_nothing", why=why)
