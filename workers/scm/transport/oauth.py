"""OAuth2 tokens: fetched before the old one ends, by one thread for all."""

import copy
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from certline.workers.scm.errors import LoginRefused, NotSent, ScmError, Throttled
from certline.workers.scm.transport.error_mapping import Hide, phrase, retry_after, short
from certline.workers.scm.transport.http import Answer, Fault

# What Keycloak gives where it doesn't say; and how long before its end a token is left alone.
LIFE = 300.0
EARLY = 60.0
# A longer life is taken for a mistake.
FOREVER = 86_400 * 366


@dataclass(eq=False)
class Token:
    """A token until `ends` (on the clock that only runs forward). `accepted`: SCM has taken it."""

    value: str = field(repr=False)
    ends: float
    accepted: bool = False


class Tokens:
    """The current token. `ask` asks the token endpoint once."""

    def __init__(self, ask: Callable[[], Answer | Fault], hide: Hide) -> None:
        self._ask = ask
        self._hide = hide
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._failure: tuple[float, ScmError] | None = None

    def current(self) -> Token:
        """A token that is good for a while. Raises LoginRefused, Throttled or NotSent: without a
        token, nothing has reached SCM.
        """
        asked = time.monotonic()
        with self._lock:
            if self._token is not None and time.monotonic() < self._token.ends:
                return self._token
            if self._failure is not None and self._failure[0] >= asked:
                # Whoever waited for a renewal that failed shares its end: failed logins count.
                raise copy.copy(self._failure[1])
            found = self._fetch()
            if isinstance(found, Token):
                self._token, self._failure = found, None
                return found
            self._failure = (time.monotonic(), found)
        raise found

    def drop(self, token: Token) -> None:
        """SCM refused it: the next call fetches another, unless somebody has done so."""
        with self._lock:
            if self._token is token:
                self._token = None

    def _fetch(self) -> Token | ScmError:
        asked = time.monotonic()
        answer = self._ask()
        if isinstance(answer, Fault):
            return NotSent("token", self._hide(f"no token: {answer.why}"))
        if answer.status == 200 and answer.body is not None:
            return _token(answer.body, asked) or NotSent("token", "the answer has no token")
        return self._refusal(answer)

    def _refusal(self, answer: Answer) -> ScmError:
        status, word = answer.status, _oauth_word(answer.body)
        text = short(word or phrase(status), self._hide)
        wait = retry_after(answer.headers.get("Retry-After"))
        if status == 429:
            return Throttled("token", text, status=status, retry_after=wait)
        if status == 401 or (400 <= status < 500 and word):
            advice = "check client id, client secret and token URL"
            return LoginRefused("token", text, status=status, advice=advice)
        return NotSent("token", f"no token: {text}", status=status, retry_after=wait)


def _token(body: bytes, asked: float) -> Token | None:
    row = _object(body)
    value, life = row.get("access_token"), row.get("expires_in")
    # Anything else couldn't stand in a header.
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]+", value):
        return None
    return Token(value, asked + use_for(life))


def use_for(life: object) -> float:
    """How many seconds of a token's life we use: a minute less, or half of a short one."""
    if isinstance(life, str) and re.fullmatch(r"[0-9]{1,9}", life):
        life = int(life)
    if isinstance(life, bool) or not isinstance(life, int | float) or not 0 < life < FOREVER:
        life = LIFE
    return max(life - EARLY, life / 2)


def _oauth_word(body: bytes | None) -> str:
    row = _object(body or b"")
    words = [row.get("error"), row.get("error_description")]
    return ": ".join(word for word in words if isinstance(word, str) and word)


def _object(body: bytes) -> dict[str, object]:
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return raw if isinstance(raw, dict) else {}
