"""A worker context whose SCM is a model, and frozen workers."""

from dataclasses import dataclass
from typing import cast

from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy.orm import Session

from certline.models import Account, CallKind, Database
from certline.models.settings import Settings
from certline.models.vault import Vault
from certline.workers.ordering.claim import Claim
from certline.workers.runtime.context import WorkerContext
from certline.workers.scm import Enrolled, Enrolment, ScmClient
from tests.faults.model.scm import ModelScm


class ModelLine(WorkerContext):
    """A worker context whose SCM is the model, without rate limits."""

    def __init__(self, database: Database, model: ModelScm) -> None:
        key = Fernet.generate_key().decode()
        chosen = Settings(database_url=SecretStr(database.url), poll_seconds=0.01)
        super().__init__(database, Vault(key), chosen)
        self._model = model

    def scm(self, account: Account) -> ScmClient:  # noqa: ARG002
        """Return the model."""
        return cast("ScmClient", self._model)

    def provide(self, db: Session, account: Account, kind: CallKind, calls: int = 1) -> bool:  # noqa: ARG002
        """Admit every call at once."""
        return True

    def admit(self, account: Account, kind: CallKind) -> None:
        """Admit every call at once."""


@dataclass
class Sleeper:
    """A frozen worker: its claim, its enrolment, and SCM's response (None if nothing was sent yet).

    `overslept`: it was frozen for longer than the time within which a claimed order may be sent.
    """

    claim: Claim
    enrolment: Enrolment
    answer: Enrolled | None
    overslept: bool = False
