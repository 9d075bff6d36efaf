"""OAuth2 tokens, shared between threads: one thread fetches a new token before the old one expires."""

import copy
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from certline.workers.scm.errors import LoginRefused, NotSent, ScmError, Throttled
from certline.workers.scm.transport.error_mapping import Hide, phrase, retry_after, short
from certline.workers.scm.transport.http import HttpResponse, TransportFault
from certline.workers.scm.transport.json_reader import WrongShapeError, read_json

# All in seconds. LIFE is assumed if `expires_in` is missing (Keycloak's default); a token isn't used in its
# last EARLY seconds.
LIFE = 300.0
EARLY = 60.0
# A longer `expires_in` is taken for a mistake.
FOREVER = 86_400 * 366


@dataclass(eq=False)
class Token:
    """An access token, usable until `ends` on the monotonic clock. `accepted`: SCM has accepted it once."""

    value: str = field(repr=False)
    ends: float
    accepted: bool = False


class Tokens:
    """Cache of the current token. `ask` sends one request to the token endpoint."""

    def __init__(self, ask: Callable[[], HttpResponse | TransportFault], hide: Hide) -> None:
        self._ask = ask
        self._hide = hide
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._failure: tuple[float, ScmError] | None = None

    def current(self) -> Token:
        """Return a token that is valid for a while, fetching one if needed.

        Raises LoginRefused, Throttled or NotSent: without a token, nothing was sent to SCM.
        """
        asked = time.monotonic()
        # The lock is held during the fetch, so that only one thread fetches and the others wait for its result.
        with self._lock:
            if self._token is not None and time.monotonic() < self._token.ends:
                return self._token
            if self._failure is not None and self._failure[0] >= asked:
                # A thread that waited for a fetch that failed fails too, without a try of its own: the server
                # counts failed logins. A copy, because each raise adds to the error's traceback.
                raise copy.copy(self._failure[1])
            found = self._fetch()
            if isinstance(found, Token):
                self._token, self._failure = found, None
                return found
            self._failure = (time.monotonic(), found)
        raise found

    def drop(self, token: Token) -> None:
        """Forget a token that SCM refused, unless another thread has replaced it already."""
        with self._lock:
            if self._token is token:
                self._token = None

    def _fetch(self) -> Token | ScmError:
        asked = time.monotonic()
        answer = self._ask()
        if isinstance(answer, TransportFault):
            return NotSent("token", self._hide(f"no token: {answer.why}"))
        if answer.status == 200 and answer.body is not None:
            return _token(answer.body, asked) or NotSent("token", "the response has no token")
        return self._refusal(answer)

    def _refusal(self, answer: HttpResponse) -> ScmError:
        status, word = answer.status, _oauth_word(answer.body)
        text = short(word or phrase(status), self._hide)
        wait = retry_after(answer.headers)
        if status == 429:
            return Throttled("token", text, status=status, retry_after=wait)
        if status == 401 or (400 <= status < 500 and word):
            advice = "check client id, client secret and token URL"
            return LoginRefused("token", text, status=status, advice=advice)
        return NotSent("token", f"no token: {text}", status=status, retry_after=wait)


def _token(body: bytes, asked: float) -> Token | None:
    row = _object(body)
    value, life = row.get("access_token"), row.get("expires_in")
    # Printable ASCII only: anything else isn't valid in a header.
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]+", value):
        return None
    return Token(value, asked + use_for(life))


def use_for(life: object) -> float:
    """Return for how many seconds a token is used: a minute less than `expires_in`, or half of a short one."""
    if isinstance(life, str) and re.fullmatch(r"[0-9]{1,9}", life):
        life = int(life)
    # bool is a subclass of int.
    if isinstance(life, bool) or not isinstance(life, int | float) or not 0 < life < FOREVER:
        life = LIFE
    return max(life - EARLY, life / 2)


def _oauth_word(body: bytes | None) -> str:
    row = _object(body or b"")
    words = [row.get("error"), row.get("error_description")]
    return ": ".join(word for word in words if isinstance(word, str) and word)


def _object(body: bytes) -> dict[str, object]:
    try:
        raw = read_json(body)
    except WrongShapeError:
        return {}
    return raw if isinstance(raw, dict) else {}
