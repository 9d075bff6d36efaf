"""A line whose SCM is a model, and a worker of it that was frozen."""

from dataclasses import dataclass
from typing import cast

from cryptography.fernet import Fernet
from pydantic import SecretStr

from certline.models import Account, CallKind, Database
from certline.models.settings import Settings
from certline.models.vault import Vault
from certline.workers.ordering import submission
from certline.workers.runtime.context import Line
from certline.workers.scm import Enrolled, Enrolment, ScmClient
from tests.faults.scm_model import ModelScm


class ModelLine(Line):
    """A line whose SCM is the model, with no limits towards it."""

    def __init__(self, database: Database, model: ModelScm) -> None:
        key = Fernet.generate_key().decode()
        chosen = Settings(database_url=SecretStr(database.url), poll_seconds=0.01)
        super().__init__(database, Vault(key), chosen)
        self._model = model

    def scm(self, account: Account) -> ScmClient:  # noqa: ARG002
        """The model."""
        return cast("ScmClient", self._model)

    def admit(self, account: Account, kind: CallKind) -> None:
        """At once."""


@dataclass
class Sleeper:
    """A frozen worker: its claim, what it was about to send, what SCM answered."""

    claim: submission.Claim
    enrolment: Enrolment
    answer: Enrolled | None
    overslept: bool = False
