"""The relay's part in noticing a restore that leaves the database's identity as it is, as of a copied folder.

Every few seconds it keeps the head of the audit log outside the database, if that has changed: the witness. When
it is connected anew it compares the database with the witness; until that is done for a server that was started
since, no worker can claim an order (`models.restore.recovery.clear_to_send`).
"""

import time
from dataclasses import replace
from datetime import datetime
from math import inf

import structlog
from sqlalchemy.orm import Session

from certline.models import Database
from certline.models.audit.witness import (
    ForgedWitnessError,
    Witness,
    has_entries_of,
    time_in,
    witness_of,
)
from certline.models.restore.testimony import (
    Memory,
    begin_by_witness,
    begin_without_witness,
    is_noted,
    memory_of,
    note_compared,
    note_kept,
)
from certline.producers.witness.rival import ADVICE, Rival
from certline.producers.witness.store import WitnessStore

log = structlog.get_logger()

# Seconds between two looks at the head of the log. What is ordered after the last of them has no witness.
LOOK_EVERY = 3.0
# Seconds after which a witness is written again although the log has not changed: it shows that this database is
# in use (`rival`).
RENEW_EVERY = 20.0
# Why a recovery begins without a witness.
GONE = "a witness of the audit log was kept outside the database and is gone"
FORGED = "the witness of the audit log that is kept outside is not signed with this database's key"
OF_ANOTHER = (
    "the witness that is kept outside is of another database, or from before the last recovery"
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
        # Whether the database knows that a witness is kept; since when one that it knows of is waited for.
        self._is_kept_noted = False
        self._waits_since: float | None = None
        self._database_name = ""
        self._written_at = -inf
        self._rival = Rival()
        self._is_watching = False

    @property
    def fault(self) -> str | None:
        """Why the witness of this database is not kept, which a person has to end; None if it may be."""
        return ADVICE if self._rival.is_alive else None

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
            read = self._read(body)
            # One of another database says nothing about this one: its identity has said that they are two.
            kept = None if read is None or read.is_of_another(memory.database) else read
            is_here = kept is not None and has_entries_of(db, kept.head)
            self._watch(body, is_rival=read is not None and not is_here)
            has_begun = False
            # The first time that it is seen. What changes all the while is another database's.
            if kept is not None and not is_here and not self._rival.is_alive:
                has_begun = _note_restore(db, kept)
            known = self._known
            if known is not None and not has_entries_of(db, known.head):
                has_begun |= _note_restore(db, known)
                known = None
            if not is_here and not memory.is_compared and not has_begun:
                if self._may_wait(memory, body):
                    return
                if memory.was_kept or body is not None:
                    what = GONE if body is None else FORGED if read is None else OF_ANOTHER
                    _mistrust(db, what, None if body is None else time_in(body))
            self._waits_since = None
            self._server_start = note_compared(db)
        self._known, self._is_kept = kept if is_here else known, is_here
        self._database_name, self._written_at = memory.database, time.monotonic()
        self._is_kept_noted = memory.was_kept and memory.is_compared
        if not self._is_watching:
            self._next_look = 0.0

    def look(self, db: Session) -> None:
        """Read the head of the log in a transaction of the relay, if it is time to. Raises DBAPIError."""
        if not self.is_due:
            return
        self._next_look = time.monotonic() + LOOK_EVERY
        now = replace(witness_of(db), of=self._database_name)
        if self._is_watching or not is_noted(db, self._server_start):
            self._is_in_doubt = True
        elif self._known is None or self._known.head != now.head:
            self._is_in_doubt = self._known is not None and not has_entries_of(db, self._known.head)
            self._newer = now
        elif not self._is_kept or self._has_to_renew():
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
            self._written_at = time.monotonic()

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

    @property
    def _is_shared(self) -> bool:
        # A place that no other process can hold has no other database either.
        return self._store.held_for > 0

    def _has_to_renew(self) -> bool:
        return self._is_shared and time.monotonic() - self._written_at >= RENEW_EVERY

    def _watch(self, body: bytes | None, *, is_rival: bool) -> None:
        """Look whether another database keeps its witness here; it is not overwritten while it may be in use."""
        if not self._is_shared:
            return
        if body is not None and is_rival:
            self._rival.see(body)
        elif (
            body is not None or not self._rival.may_be_alive
        ):  # else another relay is just reading it
            self._rival.forget()
        self._is_watching = self._rival.may_be_alive

    def _may_wait(self, memory: Memory, body: bytes | None) -> bool:
        """Return True while the witness may come back that a frozen relay holds, or a copy has overwritten."""
        if not self._is_watching and (body is not None or not memory.was_kept):
            return False
        now = time.monotonic()
        if self._waits_since is None:
            self._waits_since = now
            if body is None and self._store.held_for:
                log.warning("witness.missing", waits_seconds=self._store.held_for)
        return now - self._waits_since < self._store.held_for


class NoWitness:
    """Stands for a keeper where nothing is kept: it does nothing."""

    is_due = False
    fault: str | None = None

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


def _mistrust(db: Session, what: str, made_at: datetime | None) -> None:
    """Begin a recovery because no witness can be read, though there should be one."""
    why = f"{what}, {UNKNOWN}"
    if begin_without_witness(db, why, made_at):
        log.warning("witness.says_nothing", why=why)
