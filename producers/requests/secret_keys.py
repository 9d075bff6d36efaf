"""Rotation of the secret key: re-encrypts every stored secret with the newest key while certline runs."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from certline.models import Database
from certline.models.audit.identity import Identity
from certline.models.heartbeat import running_parts
from certline.models.key_proof import (
    UnprovenKeyError,
    remove_keys,
    start_over,
    take_bound_only,
)
from certline.models.key_rotation import SecretColumn, places, renew_piece, use_of_keys
from certline.models.sealing.key_pair import (
    PublicKey,
    SealingKey,
    forget_closed,
    public_key,
    replace_pair,
    replace_pair_of_older_key,
    sealing_keys,
)
from certline.models.vault import Vault

# Rows re-encrypted per transaction; rows read per query when counting.
PIECE = 500
LOOK = 2_000
# Seconds between passes while rows are locked by others; most such pauses in a row without progress.
PAUSE = 0.5
MOST_PAUSES = 60
# Stands for a lost key whose name is not known.
UNKNOWN = "unknown"


@dataclass(frozen=True)
class KeyUse:
    """A key of this process, with the number of secrets in each place (column) that are encrypted with it.

    `unbound`: those of them that are not bound to their row, as earlier versions stored them. `parts`: running
    processes that encrypt with it, because it is their newest key.
    """

    key: str
    is_newest: bool
    used_in: Mapping[str, int]
    parts: Sequence[str] = ()
    unbound: int = 0

    @property
    def secrets(self) -> int:
        """The number of secrets that only this key decrypts."""
        return sum(self.used_in.values())

    @property
    def may_go(self) -> bool:
        """True if the key can be removed: it is not the newest, and neither a secret nor a process needs it."""
        return not self.is_newest and not self.secrets and not self.parts


def key_uses(database: Database, vault: Vault) -> tuple[list[KeyUse], dict[str, int]]:
    """Return (use of every key of this process, number of secrets per place that none of them decrypts)."""
    with database.transaction() as db:
        counted = use_of_keys(db, vault, LOOK)
        running = running_parts(db)
    uses = [
        KeyUse(
            key,
            key == vault.keys[0],
            {place: n for place, keys in counted.items() if (n := _count(keys, key))},
            [row.place for row in running if row.keys[:1] == [key]],
            sum(keys[key, False] for keys in counted.values()),
        )
        for key in vault.keys
    ]
    return uses, {place: n for place, keys in counted.items() if (n := _count(keys, None))}


def _count(keys: Mapping[tuple[str | None, bool], int], key: str | None) -> int:
    return keys.get((key, True), 0) + keys.get((key, False), 0)


def pair_states(database: Database) -> list[SealingKey]:
    """Load the key pairs with which other systems seal passwords, the current one first."""
    with database.transaction() as db:
        return list(sealing_keys(db))


def current_public_key(
    database: Database, vault: Vault, *, new: bool, days: int, who: Identity
) -> PublicKey:
    """Return the public key for sealing. `new`: make a new pair; the one before still opens for `days`."""
    with database.transaction() as db:
        return (
            replace_pair(db, vault, days=days, who=who) if new else public_key(db, vault, who=who)
        )


def require_bound(
    database: Database, vault: Vault, uses: Sequence[KeyUse], *, who: Identity
) -> list[str]:
    """From now on take only secrets that are bound to their row, if all of them are. Returns the keys newly so."""
    if any(use.unbound for use in uses):
        return []
    with database.transaction() as db:
        return take_bound_only(db, vault, who=who)


def retire_keys(database: Database, uses: Sequence[KeyUse], *, who: Identity) -> None:
    """Remove the keys that nothing needs any more from those in use: no process has to have them from now on."""
    names = [use.key for use in uses if use.may_go]
    if names:
        with database.transaction() as db:
            remove_keys(db, names, what="keys.retired", who=who)


def forget_key(database: Database, vault: Vault, name: str, *, who: Identity) -> bool:
    """Give up a lost key, so that processes without it may start. Returns False if no such key is in use.

    `name` is UNKNOWN if nothing that is stored opens and no key has been noted yet. Raises UnprovenKeyError if
    this process has the key: it is not lost then.
    """
    if name in vault.keys:
        raise UnprovenKeyError(
            f"key {name} is not lost: this process has it. See certline keys rotate"
        )
    with database.transaction() as db:
        known = name == UNKNOWN or bool(remove_keys(db, [name], what="keys.forgotten", who=who))
        # If no key is left, this process's own is the first one again.
        return (known and start_over(db, vault, who=who)) or (known and name != UNKNOWN)


class Rotation:
    """A rotation with its progress. `renewed`: rows re-encrypted, by place; `busy`: rows locked by others in the
    last pass; `unreadable`: ids of rows that no key of this process decrypts, by place; `pair`: the new public key
    for sealing, if the private one before was encrypted with an older secret key.
    """

    def __init__(
        self, database: Database, vault: Vault, *, who: Identity, tell: Callable[[int], object]
    ) -> None:
        """`tell` is called with the number of rows re-encrypted so far."""
        self.renewed: Counter[str] = Counter()
        self.busy = 0
        self.unreadable: dict[str, list[str]] = {}
        self.pair: PublicKey | None = None
        self._database = database
        self._vault = vault
        self._who = who
        self._tell = tell

    def run(self) -> None:
        """Re-encrypt every secret with the newest key; repeat until a whole pass finds none left.

        If it is killed at any moment, the next rotation continues with what is left. Ends early, with `busy` > 0,
        if locked rows stay locked for MOST_PAUSES pauses.
        """
        with self._database.transaction() as db:
            # Before its private key is encrypted with the newest key: afterwards nothing tells that it is due.
            self.pair = replace_pair_of_older_key(db, self._vault, who=self._who)
            forget_closed(db, who=self._who)
        pauses = 0
        while pauses <= MOST_PAUSES:
            before, self.busy, self.unreadable = self.renewed.total(), 0, {}
            for place in places():
                self._look_at(place)
            # Running processes may have sealed secrets with an old key meanwhile: hence another pass.
            if self.renewed.total() > before:
                pauses = 0
            elif self.busy:
                pauses += 1
                threading.Event().wait(PAUSE)
            else:
                return

    def _look_at(self, place: SecretColumn) -> None:
        after = None
        while True:
            with self._database.transaction() as db:
                piece = renew_piece(db, self._vault, place, after=after, piece=PIECE, who=self._who)
            self.renewed[str(place)] += piece.renewed
            self.busy += piece.busy
            if piece.unreadable:
                self.unreadable.setdefault(str(place), []).extend(piece.unreadable)
            if piece.last is None:
                return
            after = piece.last
            self._tell(self.renewed.total())
