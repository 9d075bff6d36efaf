"""Worker context of a process: the database, the vault, the settings, and SCM clients for accounts."""

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
from certline.models.database.outage import OUTAGES, NoFreeConnectionError, outage_text
from certline.models.database.secret_place import place_of
from certline.models.database.session import blames_the_data
from certline.models.heartbeat import ScmTally
from certline.models.orders.checks import Offer
from certline.models.settings import Settings
from certline.models.vault import Vault, WrongSecretKeyError
from certline.workers.runtime.outcomes import AccountSuspendedError, GiveUp, TryLater
from certline.workers.runtime.pacing import KNOWN_FOR, AccountPacing
from certline.workers.runtime.traced_pacing import TracedPacing
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
from certline.workers.scm.pacing import Unpaced

T = TypeVar("T")

log = structlog.get_logger()

# Seconds for which a response of SCM that cannot be stored is kept in memory and tried again. After that the
# order stays in `sending`, which is safe but has to be reconciled.
KEEP_ANSWER = 300.0


# Columns of an account that make up its login.
LOGIN_COLUMNS = (
    "id",
    "url",
    "login_kind",
    "customer_uri",
    "login",
    "secret_sealed",
    "client_certificate",
    "token_url",
)


@dataclass(frozen=True)
class _Door:
    """SCM client of an account, and the pacing that limits its calls."""

    client: ScmClient
    pacing: AccountPacing


class WorkerContext:
    """Worker context: what the steps of one process share. Thread-safe.

    Once `stopping` is set, no further call to SCM begins.
    """

    def __init__(self, database: Database, vault: Vault, settings: Settings) -> None:
        self.database = database
        self.vault = vault
        self.settings = settings
        self.stopping = threading.Event()
        self.tally = ScmTally()
        self._doors: dict[tuple[int, AnyLogin], _Door] = {}
        # The same by what is stored of an account, to save decrypting its secret for every call.
        self._opened: dict[tuple[object, ...], _Door] = {}
        self._lock = threading.Lock()
        self._offers: dict[int, Offer] = {}
        self._offers_until = 0.0  # monotonic seconds

    def offers(self) -> dict[int, Offer]:
        """Return the cache of what SCM offers each account, as last synced; it is a second old at most."""
        if time.monotonic() > self._offers_until:
            self._offers, self._offers_until = {}, time.monotonic() + KNOWN_FOR
        return self._offers

    def scm(self, account: Account) -> ScmClient:
        """Return the SCM client of an account.

        Raises AccountSuspendedError if its stored login cannot be decrypted, GiveUp if it was removed.
        """
        return self._door(account).client

    def provide(self, db: Session, account: Account, kind: CallKind, calls: int = 1) -> bool:
        """Take the turns of the calls that a step is about to make, in the transaction that begins it.

        Returns False if they may not be made at once: for an order `admit` then waits for its turn, and a reading
        call waits by itself. Raises AccountSuspendedError if the stored login cannot be decrypted.
        """
        return self._door(account).pacing.provide(db, kind, calls)

    def admit(self, account: Account, kind: CallKind) -> None:
        """Take a turn within the rate limit for an order call that is about to be claimed; waits for it briefly.

        Raises TryLater (which costs no attempt), AccountSuspendedError, GiveUp.
        """
        try:
            self._door(account).pacing.admit(kind, "admit")
        except TooSoon as soon:
            after = timedelta(seconds=soon.retry_after or 0)
            raise TryLater(soon.description, after=after) from None
        except LoginRefused as refusal:
            raise AccountSuspendedError(account.id, refusal) from None

    def _door(self, account: Account) -> _Door:
        # After a change of URL or password a new client is made.
        stored = tuple(getattr(account, name) for name in LOGIN_COLUMNS)
        door = self._opened.get(stored)
        # A process whose secret keys are outdated must not go on with what it has decrypted before.
        if door is None or self.vault.withdrawn is not None:
            door = self._opened[stored] = self._find_door(account)
        return door

    def _find_door(self, account: Account) -> _Door:
        try:
            login = login_of(account, self.vault)
        except WrongSecretKeyError as lost:
            # Its key is lost. Suspending keeps the orders as they are until the login is entered again.
            raise AccountSuspendedError(account.id, LoginRefused("log in", str(lost))) from None
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

        def probe() -> object:  # `client` is bound below, as it needs the pacing itself
            return client.organizations()

        pacing = AccountPacing(
            self.database,
            account.id,
            breaker=breaker_of(login),
            rates=rates,
            probe=probe,
            stopping=self.stopping,
            tally=self.tally,
        )
        client = scm_client(login, self.settings, pacing)
        return _Door(client, pacing)

    def store(self, work: Callable[[Session], T]) -> T:
        """Run `work` in one transaction, again and again while Postgres is unavailable, and return its result.

        For storing responses of SCM: losing one would turn a known outcome into an unknown one.
        Raises DBAPIError at once for a fault that will not pass, otherwise one of OUTAGES after KEEP_ANSWER
        seconds.
        """
        deadline = time.monotonic() + KEEP_ANSWER
        pause = 0.1
        while True:
            try:
                return self.database.run(work)
            except OUTAGES as error:
                if not _is_passing(error) or time.monotonic() > deadline:
                    raise
                log.warning("storing.again", error=outage_text(error), pause_seconds=pause)
            time.sleep(pause)
            pause = min(5.0, pause * 2)


def login_of(account: Account, vault: Vault) -> AnyLogin:
    """Return an account's login with its decrypted secret, which must stay in memory.

    Raises WrongSecretKeyError if the secret cannot be decrypted, GiveUp if the account was removed.
    """
    if account.secret_sealed is None:
        raise GiveUp(f"account {account.name!r} was removed")
    secret = vault.open(account.secret_sealed, place_of(account, "secret_sealed")).decode()
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
    """Return the key of the breaker for a login: the URL of SCM and, for API tokens, of the token server."""
    return login.url if not isinstance(login, TokenLogin) else f"{login.url} {login.token_url}"


def scm_client(login: AnyLogin, settings: Settings, pacing: Pacing | None = None) -> ScmClient:
    """Return an SCM client with the time-outs and CA bundle of the settings.

    Without `pacing`, its calls are neither rate-limited nor stopped by the breaker: for single calls by a user.
    """
    return ScmClient(
        login,
        connect_timeout=settings.scm_connect_seconds,
        read_timeout=settings.scm_read_seconds,
        report_timeout=settings.scm_report_seconds,
        ca_bundle=str(settings.scm_ca_bundle) if settings.scm_ca_bundle else None,
        pacing=TracedPacing(pacing or Unpaced()),
    )


# SQLSTATE classes of transient errors: connection, insufficient resources, operator intervention (shutdown,
# start-up), transaction rollback (deadlock, serialisation).
PASSING = ("08", "53", "57", "40")


def _is_passing(error: DBAPIError | NoFreeConnectionError) -> bool:
    if isinstance(error, NoFreeConnectionError) or error.connection_invalidated:
        return True
    state: str | None = getattr(error.orig, "sqlstate", None)
    if blames_the_data(error):
        return False
    # Without an SQLSTATE the connection could not be made, or was lost.
    return state is None or state.startswith(PASSING)
