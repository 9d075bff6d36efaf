"""Fixtures: a user who adds providers, and a worker that the test runs itself."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import func, update

from certline.models import Command, CommandStatus, Database
from certline.models.audit.identity import Identity
from certline.models.settings import Settings
from certline.models.vault import Vault
from certline.producers.domains.providers import request_test
from certline.workers.domains.dns_test import STEP
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.step import run
from tests.integration.cli.conftest import Typist, a_typist

WHO = Identity("os:ida")
ZONE = "example.test"


class Desk:
    """A user who adds providers, and a worker that runs one command at a time."""

    def __init__(self, typist: Typist, folder: Path) -> None:
        self.typist = typist
        self.database: Database = typist.database
        self.vault: Vault = typist.vault
        self._folder = folder
        settings = Settings(database_url=SecretStr(typist.database.url))
        self.line = WorkerContext(typist.database, typist.vault, settings)

    def add(
        self, provider: str, *words: str, credentials: str = "", name: str = "ours"
    ) -> dict[str, Any]:
        """Add a provider for the zone. Returns its document."""
        given = ["dns", "add", name, "--provider", provider, "--zones", ZONE, *words]
        if credentials:
            file = self._folder / "credentials"
            file.write_text(credentials)
            given += ["--credentials-file", str(file)]
        added: dict[str, Any] = self.typist.json(*given)
        return added

    def test(self, name: str = "ours", domain: str | None = None, *, late: bool = False) -> Command:
        """Have the worker try a provider once; `late`: as the last time."""
        command = request_test(self.database, name, domain, who=WHO)
        return self.go_on(command, late=late)

    def go_on(
        self, command: Command, *, late: bool = False, since: timedelta = timedelta(0)
    ) -> Command:
        """Have the worker run a command, which is due; `since`: as if it were so much older; `late`: 2 minutes."""
        with self.database.transaction() as db:
            since = timedelta(minutes=2) if late else since
            values = {"not_before": func.now(), "created_at": Command.created_at - since}
            db.execute(update(Command).where(Command.id == command.id).values(values))
        run(self.line, STEP, command.id)
        with self.database.transaction() as db:
            return db.get_one(Command, command.id)

    def until_it_ends(self, command: Command) -> Command:
        """Have the worker run a command until it is no longer put off."""
        while command.status is CommandStatus.QUEUED:
            command = self.go_on(command)
        return command


@pytest.fixture
def typist(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Typist]:
    """Yield a user with a database and a secret key."""
    yield from a_typist(database_url, monkeypatch, capsys)


@pytest.fixture
def desk(typist: Typist, tmp_path: Path) -> Desk:
    """Return a user with a worker."""
    return Desk(typist, tmp_path)
