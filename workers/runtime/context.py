"""What a step works with: the database, the vault, the settings, and SCM for an account."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from certline.models import Account, CallKind, Database, LoginKind
from certline.models.settings import Settings
from certline.models.vault import Vault
from certline.workers.runtime.outcomes import AccountSuspendedError, GiveUp, TryLater
from certline.workers.runtime.pacing import AccountPacing
from certline.workers.scm import (
    AnyLogin,
    CertificateLogin,
    HeaderLogin,
    LoginRefused,
    Pacing,
    ScmClient,
    TokenLogin,
    TooSoon,
)
from certline.workers.scm.login import TOKEN_URL

T = TypeVar("T")

log = structlog.get_logger()

# How long an answer of SCM that can't be stored is kept in memory for another try, in seconds.
# After it the order rests in `sending`, which is safe but needs reconciling.
KEEP_ANSWER = 300.0


@dataclass(frozen=True)
class _Door:
    """An account's way to SCM, and who holds it back."""

    client: ScmClient
    pacing: AccountPacing


class Line:
    """The process's share of the production line; safe to share between threads.

    Once `stopping` is set, no further call to SCM begins.
    """

    def __init__(self, database: Database, vault: Vault, settings: Settings) -> None:
        self.database = database
        self.vault = vault
        self.settings = settings
        self.stopping = threading.Event()
        self._doors: dict[tuple[int, AnyLogin], _Door] = {}
        self._lock = threading.Lock()

    def scm(self, account: Account) -> ScmClient:
        """SCM as this account sees it. Raises WrongSecretKeyError for a password we can't read."""
        return self._door(account).client

    def admit(self, account: Account, kind: CallKind) -> None:
        """Take a turn for a call that is about to be claimed, or wait a little for it.

        Raises TryLater (it costs no attempt), AccountSuspendedError, WrongSecretKeyError.
        """
        try:
            self._door(account).pacing.admit(kind, "admit")
        except TooSoon as soon:
            after = timedelta(seconds=soon.retry_after or 0)
            raise TryLater(soon.description, after=after) from None
        except LoginRefused as refusal:
            raise AccountSuspendedError(account.id, refusal) from None

    def _door(self, account: Account) -> _Door:
        login = login_of(account, self.vault)
        with self._lock:
            door = self._doors.get((account.id, login))
            if door is None:
                door = self._doors[account.id, login] = self._open_door(account, login)
            return door

    def _open_door(self, account: Account, login: AnyLogin) -> _Door:
        rates = {
            CallKind.READ: self.settings.rate_read,
            CallKind.ORDER: self.settings.rate_order,
        }

        def probe() -> object:
            return client.organizations()

        pacing = AccountPacing(
            self.database,
            account.id,
            breaker=breaker_of(login),
            rates=rates,
            probe=probe,
            stopping=self.stopping,
        )
        client = scm_client(login, self.settings, pacing)
        return _Door(client, pacing)

    def store(self, work: Callable[[Session], T]) -> T:
        """Store what SCM answered: one transaction, tried again while Postgres is away.

        An answer that is lost makes an unknown outcome out of a known one, so it is worth a wait.
        Raises DBAPIError once KEEP_ANSWER has passed.
        """
        deadline = time.monotonic() + KEEP_ANSWER
        pause = 0.1
        while True:
            try:
                return self.database.run(work)
            except DBAPIError as error:
                passing = error.connection_invalidated or _is_passing(error)
                if not passing or time.monotonic() > deadline:
                    raise
                log.warning("storing.again", error=str(error.orig).strip(), pause_seconds=pause)
            time.sleep(pause)
            pause = min(5.0, pause * 2)


def login_of(account: Account, vault: Vault) -> AnyLogin:
    """An account's login with its secret in the clear; it lives in memory only.

    Raises WrongSecretKeyError, GiveUp for an account that was removed.
    """
    if account.secret_sealed is None:
        raise GiveUp(f"account {account.name!r} was removed")
    secret = vault.open(account.secret_sealed).decode()
    match account.login_kind:
        case LoginKind.TOKEN:
            address = account.token_url or TOKEN_URL
            return TokenLogin(account.url, account.login, secret, address)
        case LoginKind.CERTIFICATE:
            customer, certificate = account.customer_uri or "", account.client_certificate or ""
            return CertificateLogin(account.url, customer, account.login, certificate, secret)
        case LoginKind.PASSWORD:
            return HeaderLogin(account.url, account.customer_uri or "", account.login, secret)


def breaker_of(login: AnyLogin) -> str:
    """The name of what an account's calls depend on: SCM, and where its tokens come from."""
    return login.url if not isinstance(login, TokenLogin) else f"{login.url} {login.token_url}"


def scm_client(login: AnyLogin, settings: Settings, pacing: Pacing | None = None) -> ScmClient:
    """A client with this process's time-outs and roots; without `pacing` for a person's one call."""
    return ScmClient(
        login,
        connect_timeout=settings.scm_connect_seconds,
        read_timeout=settings.scm_read_seconds,
        report_timeout=settings.scm_report_seconds,
        ca_bundle=str(settings.scm_ca_bundle) if settings.scm_ca_bundle else None,
        pacing=pacing,
    )


# Postgres' SQLSTATE classes for trouble that passes: connection, out of resources, operator
# intervention (shutdown, start-up), transaction rollback (deadlock, serialisation).
PASSING = ("08", "53", "57", "40")


def _is_passing(error: DBAPIError) -> bool:
    state: str | None = getattr(error.orig, "sqlstate", None)
    # No SQLSTATE: the connection could not be made, or broke.
    return state is None or state.startswith(PASSING)
