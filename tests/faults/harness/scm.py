"""Control of the stage's SCM: faults of the simulator, and the account's access to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from sqlalchemy import select

from certline.models import Account
from certline.simulator.server import Simulator
from tests.support.deployment import Plant
from tests.support.sealed_rows import move_account, seal_in


class SimulatedScm:
    """A mix-in that controls the simulator and the plant's account at it."""

    plant: Plant
    simulator: Simulator

    def simulate(self, method: str, path: str, body: Any = None) -> Any:
        """Call the simulator's control API. Returns the JSON response, or None without one."""
        answer = requests.request(method, f"{self.simulator.door}/{path}", json=body, timeout=10)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def fault(self, method: str, path: str, kind: str, **more: Any) -> None:
        """Make the simulator fail for the next such call, or for `times` calls."""
        wanted = [{"method": method, "path": path, "times": 1, "kind": kind, **more}]
        self.simulate("POST", "faults", wanted)

    @contextmanager
    def failing(self, method: str, path: str, kind: str, **more: Any) -> Iterator[None]:
        """Make the simulator fail for every such call within the block."""
        self.fault(method, path, kind, **{"times": None, **more})
        try:
            yield
        finally:
            self.simulate("DELETE", "faults")

    @contextmanager
    def password_of_bytes(self) -> Iterator[None]:
        """Store bytes that are no text as the account's password within the block: no step expects that."""
        with self.plant.database.transaction() as db:
            account = db.scalars(select(Account)).one()
            sealed = account.secret_sealed
            seal_in(db, self.plant.vault, account, "secret_sealed", b"\xff torn")
        try:
            yield
        finally:
            with self.plant.database.transaction() as db:
                db.scalars(select(Account)).one().secret_sealed = sealed

    def move_account(self, url: str) -> None:
        """Set another URL for the account's SCM, such as that of a proxy."""
        with self.plant.database.transaction() as db:
            move_account(db, self.plant.vault, db.scalars(select(Account)).one(), url)
