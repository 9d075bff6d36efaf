"""HTTP calls to SCM: the only module that sends them. Each returns a response or raises a typed error."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from html import escape
from importlib.metadata import PackageNotFoundError, version
from typing import TypeVar
from urllib.parse import quote_plus
from weakref import WeakSet

import requests

from certline.workers.scm.client_certificate import client_context
from certline.workers.scm.errors import (
    Garbled,
    LoginRefused,
    NotSent,
    OutcomeUnknown,
    ScmError,
    TryAgain,
)
from certline.workers.scm.login import AnyLogin, CertificateLogin, TokenLogin
from certline.workers.scm.pacing import Pacing, Unpaced
from certline.workers.scm.transport.error_mapping import Hide, error_in
from certline.workers.scm.transport.http import (
    HttpResponse,
    Limits,
    TransportFault,
    exchange,
    open_session,
)
from certline.workers.scm.transport.json_reader import (
    MOST_VALUES,
    WrongShapeError,
    read_json,
    rows,
)
from certline.workers.scm.transport.oauth import Token, Tokens

T = TypeVar("T")

# Bytes of a response at most (docs/scm.md). A page has 200 rows, and a piece of a report some thousand.
KIB = 1024
MOST_BYTES = 4 * KIB * KIB
MOST_REPORT_BYTES = 16 * KIB * KIB
MOST_TOKEN_BYTES = 64 * KIB
# Values in a report at most; for all others `json_reader.MOST_VALUES`.
MOST_REPORT_VALUES = 3 * MOST_VALUES

READS = {"GET", "HEAD"}


@dataclass(frozen=True)
class Hiding:
    """Replaces our secrets in a text by `***`, in plain, URL-encoded, JSON and HTML form."""

    secrets: tuple[str, ...] = field(repr=False)

    def __call__(self, text: str) -> str:
        """Return the text with every secret replaced by `***`."""
        for secret in self.secrets:
            # A shorter secret would occur by chance everywhere and make the text unreadable.
            if len(secret) > 3:
                for echo in (secret, quote_plus(secret), json.dumps(secret)[1:-1], escape(secret)):
                    text = text.replace(echo, "***")
        return text


@dataclass(frozen=True)
class ScmCall:
    """One request to SCM.

    `is_report` selects the longer time-out and the larger limits of size; `most_bytes` is a smaller one.
    `send_before` is a time on the clock of `connections.since_boot`; once it has passed, nothing is sent and
    NotSent is raised.
    """

    operation: str
    method: str
    path: str
    params: Mapping[str, int | str] = field(default_factory=dict)
    body: Mapping[str, object] | None = None
    is_report: bool = False
    most_bytes: int | None = None
    send_before: float = float("inf")

    def with_params(self, **params: int | str) -> "ScmCall":
        """Return a copy of the call with further query parameters."""
        return replace(self, params={**self.params, **params})


@dataclass
class CallInHand:
    """A call that is being made. `status`: that of the response, once one has come."""

    status: int | None = None


class Caller:
    """Client of one account at SCM; may be shared between threads. Its methods raise only ScmError.

    `connect_timeout`, `read_timeout` and `report_timeout` are in seconds. The latter two limit the wait between
    two pieces of a response; the whole response may take three times as long. Orders are slow, because SCM
    contacts the CA before it responds. `ca_bundle` is the path of a PEM file with trusted roots. `pacing` may
    delay or refuse a call before it is sent.
    """

    def __init__(
        self,
        login: AnyLogin,
        *,
        connect_timeout: float = 10.0,
        read_timeout: float = 60.0,
        report_timeout: float = 300.0,
        ca_bundle: str | None = None,
        user_agent: str | None = None,
        pacing: Pacing | None = None,
    ) -> None:
        self._login = login
        self._pacing: Pacing = pacing or Unpaced()
        self._limits = Limits(connect_timeout, read_timeout, MOST_BYTES)
        self._report_limits = Limits(connect_timeout, report_timeout, MOST_REPORT_BYTES)
        self._verify: str | bool = ca_bundle or True
        self._user_agent = user_agent or _user_agent()
        self._tls = client_context(*login.pair()) if isinstance(login, CertificateLogin) else None
        self._tokens: Tokens | None = None
        if isinstance(login, TokenLogin):
            self._tokens = Tokens(lambda: self._ask_for_token(login), self._hiding(None))
        self._local = threading.local()
        self._sessions: WeakSet[requests.Session] = WeakSet()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._login!r})"

    def close(self) -> None:
        """Close the idle connections of all threads."""
        with self._lock:
            for session in self._sessions:
                session.close()

    def _one(self, call: ScmCall, read: Callable[[object], T]) -> T:
        """Send a call and return the value read from the response's JSON. Raises Garbled if it can't be read."""
        return self._one_with_response(call, read)[0]

    def _one_with_response(
        self, call: ScmCall, read: Callable[[object], T]
    ) -> tuple[T, HttpResponse]:
        """Do the same as `_one`, and also return the response itself."""
        with self._paced(call) as in_hand:
            answer = self._answer(call)
            in_hand.status = answer.status
            most = MOST_REPORT_VALUES if call.is_report else MOST_VALUES
            try:
                return read(read_json(answer.body or b"", most)), answer
            except WrongShapeError as wrong:
                why = str(wrong)
            # Raised outside the `except`, so that no traceback chains an error that quotes the body.
            raise Garbled(call.operation, why, status=answer.status)

    def _list(self, call: ScmCall, read: Callable[[object], T]) -> list[T]:
        return self._one(call, lambda raw: rows(raw, read))

    def _nothing(self, call: ScmCall) -> None:
        """Send a call that succeeds with an empty response. Raises Garbled if a 2xx has a body."""
        with self._paced(call) as in_hand:
            answer = self._answer(call)
            in_hand.status = answer.status
            # A page with status 200 is a proxy's, and no sign that SCM did anything.
            if (answer.body or b"").strip():
                raise Garbled(call.operation, "an empty answer was expected", status=answer.status)

    def _call(self, call: ScmCall) -> HttpResponse:
        """Send a call, paced, and return its complete 2xx response. Raises a typed error otherwise."""
        with self._paced(call) as in_hand:
            answer = self._answer(call)
            in_hand.status = answer.status
            return answer

    @contextmanager
    def _paced(self, call: ScmCall) -> Iterator[CallInHand]:
        # Encloses the reading of the body too, so that a Garbled response also counts as a failure.
        self._pacing.before(call.operation)
        in_hand = CallInHand()
        try:
            yield in_hand
        except ScmError as error:
            self._pacing.after(call.operation, error, error.status)
            raise
        self._pacing.after(call.operation, None, in_hand.status)

    def _answer(self, call: ScmCall) -> HttpResponse:
        """Return the complete 2xx response to a call. Raises a typed error otherwise.

        With token login, a 401 may mean that the token expired early: a read is then repeated once with a new
        token. Nothing else is ever sent twice.
        """
        token = self._tokens.current() if self._tokens else None
        answer = self._ask(call, token)
        if self._tokens and token and isinstance(answer, HttpResponse) and answer.status == 401:
            self._tokens.drop(token)
            # A token that SCM never accepted means that the login is refused: a new one won't help.
            if token.accepted and call.method in READS:
                token = self._tokens.current()
                answer = self._ask(call, token)
                if isinstance(answer, HttpResponse) and answer.status == 401:
                    self._tokens.drop(token)
            elif token.accepted:
                why = "the token has ended early; the next call brings another"
                raise TryAgain(call.operation, why, status=401)
        whole = self._judged(call, answer, self._hiding(token))
        if token:
            token.accepted = True
        return whole

    def _judged(
        self, call: ScmCall, answer: HttpResponse | TransportFault, hide: Hide
    ) -> HttpResponse:
        if isinstance(answer, TransportFault):
            why = hide(answer.why)
            if answer.certificate_refused and self._tls:
                advice = "check the client certificate, and that the account at SCM names it"
                raise LoginRefused(call.operation, why, advice=advice)
            kind = OutcomeUnknown if answer.written else NotSent
            raise kind(call.operation, why)
        error = error_in(call.operation, answer, hide)
        if error is not None:
            raise error
        return answer

    def _ask(self, call: ScmCall, token: Token | None) -> HttpResponse | TransportFault:
        with self._session_for(call.method) as session:
            return exchange(
                session,
                call.method,
                self._login.url + call.path,
                self._limits_of(call),
                params=call.params,
                json=call.body,
                send_before=call.send_before,
                headers={"Authorization": f"Bearer {token.value}"} if token else None,
                verify=self._verify,
            )

    def _limits_of(self, call: ScmCall) -> Limits:
        limits = self._report_limits if call.is_report else self._limits
        if call.most_bytes is None:
            return limits
        return replace(limits, most_bytes=min(call.most_bytes, limits.most_bytes))

    def _ask_for_token(self, login: TokenLogin) -> HttpResponse | TransportFault:
        limits = replace(self._limits, most_bytes=MOST_TOKEN_BYTES)
        headers = {"User-Agent": self._user_agent, "Connection": "close"}
        with closing(open_session(headers)) as session:
            url, form = login.token_url, login.form()
            return exchange(session, "POST", url, limits, data=form, verify=self._verify)

    def _session_for(self, method: str) -> AbstractContextManager[requests.Session]:
        # A server may close an idle connection just as we write to it, which looks the same as a server that
        # read the request and then died. That must not leave an order's outcome unknown, so every call that
        # isn't a read gets a new connection: its session is closed after each call, and opens another one.
        reads = method in READS
        kept = "reading" if reads else "changing"
        session: requests.Session | None = getattr(self._local, kept, None)
        if session is None:
            session = self._open_session({} if reads else {"Connection": "close"})
            setattr(self._local, kept, session)
            with self._lock:
                self._sessions.add(session)
        return nullcontext(session) if reads else closing(session)

    def _open_session(self, extra: Mapping[str, str | bytes]) -> requests.Session:
        ours: dict[str, str | bytes] = {"User-Agent": self._user_agent}
        return open_session({**ours, **self._login.headers(), **extra}, self._tls)

    def _hiding(self, token: Token | None) -> Hide:
        """Return the function that removes our secrets, including this token, from a text."""
        return Hiding((*self._login.secrets(), token.value if token else ""))


def _user_agent() -> str:
    try:
        return f"certline/{version('certline')}"
    except PackageNotFoundError:
        return "certline"
