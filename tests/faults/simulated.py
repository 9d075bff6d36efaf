"""SCM as the stage has it: a simulator that fails on order, and an account that may not get in."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from sqlalchemy import select

from certline.models import Account
from certline.simulator.server import Simulator
from tests.plant import Plant


class SimulatedScm:
    """The simulator behind a plant, and the plant's way into it."""

    plant: Plant
    simulator: Simulator

    def simulate(self, method: str, path: str, body: Any = None) -> Any:
        """Use the simulator's control door."""
        answer = requests.request(method, f"{self.simulator.door}/{path}", json=body, timeout=10)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def fault(self, method: str, path: str, kind: str, **more: Any) -> None:
        """Have the simulator fail for one call, or for `times`."""
        wanted = [{"method": method, "path": path, "times": 1, "kind": kind, **more}]
        self.simulate("POST", "faults", wanted)

    @contextmanager
    def failing(self, method: str, path: str, kind: str, **more: Any) -> Iterator[None]:
        """Have the simulator fail so for each such call within this block."""
        self.fault(method, path, kind, **{"times": None, **more})
        try:
            yield
        finally:
            self.simulate("DELETE", "faults")

    @contextmanager
    def unreadable_password(self) -> Iterator[None]:
        """Within this block, no process can read the account's password."""
        with self.plant.database.transaction() as db:
            account = db.scalars(select(Account)).one()
            sealed, account.secret_sealed = account.secret_sealed, b"torn"
        try:
            yield
        finally:
            with self.plant.database.transaction() as db:
                db.scalars(select(Account)).one().secret_sealed = sealed

    def move_account(self, url: str) -> None:
        """The account's SCM is reached by another way."""
        with self.plant.database.transaction() as db:
            db.scalars(select(Account)).one().url = url
