"""Rotation of the secret key: every secret is brought under the newest one, while the line runs."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from certline.models import Database
from certline.models.key_rotation import Place, places, renew_piece, use_of_keys
from certline.models.vault import Vault

# Rows of one transaction; rows that are read at once to count.
PIECE = 200
LOOK = 2_000
# How long it waits for rows that others are at, and how often at most with nothing done meanwhile.
PAUSE = 0.5
MOST_PAUSES = 60


@dataclass(frozen=True)
class KeyUse:
    """One key of this process and where it is needed: secrets of each place."""

    key: str
    is_newest: bool
    used_in: Mapping[str, int]

    @property
    def secrets(self) -> int:
        """How many secrets only this key opens."""
        return sum(self.used_in.values())

    @property
    def may_go(self) -> bool:
        """Whether nothing here needs it any more."""
        return not self.is_newest and not self.secrets


def key_uses(database: Database, vault: Vault) -> tuple[list[KeyUse], dict[str, int]]:
    """Every key of this process with what it is needed for, and the secrets that none of them opens."""
    with database.transaction() as db:
        counted = use_of_keys(db, vault, LOOK)
    uses = [
        KeyUse(
            key,
            key == vault.keys[0],
            {place: keys[key] for place, keys in counted.items() if keys[key]},
        )
        for key in vault.keys
    ]
    return uses, {place: keys[None] for place, keys in counted.items() if keys[None]}


class Rotation:
    """One rotation and what it has done: secrets renewed, rows that were in use at its last look, and
    rows that no key here opens.
    """

    def __init__(
        self, database: Database, vault: Vault, *, who: str, tell: Callable[[int], object]
    ) -> None:
        """`tell` hears how many rows were renewed so far."""
        self.renewed: Counter[str] = Counter()
        self.busy = 0
        self.unreadable: dict[str, list[str]] = {}
        self._database = database
        self._vault = vault
        self._who = who
        self._tell = tell

    def run(self) -> None:
        """Bring every secret under the newest key; once more, until a whole look finds none to renew.

        Killed at any moment, it is started again and goes on with what is left.
        """
        pauses = 0
        while pauses <= MOST_PAUSES:
            before, self.busy, self.unreadable = self.renewed.total(), 0, {}
            for place in places():
                self._look_at(place)
            if self.renewed.total() > before:
                pauses = 0
            elif self.busy:
                pauses += 1
                threading.Event().wait(PAUSE)
            else:
                return

    def _look_at(self, place: Place) -> None:
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
