"""HTTP without surprises: no retries, no redirects, no cookies, no netrc, an end to every answer;
and one fact more than requests tells: whether any byte of the request was written before it failed.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.poolmanager import PoolManager

from certline.workers.scm.transport.connections import Pool, TlsPool, progress

# Everything that requests, and what lies below it, raises for a call that failed. ValueError: a
# broken status line or header can end in one.
FAULTS = (OSError, HTTPError, HTTPException, ValueError)

# An answer may arrive in drips, each in time; all of it must be here after so many time-outs.
DRIPS = 3

PIECE = 64 * 1024


@dataclass(frozen=True)
class Limits:
    """How long we wait, in seconds (to connect; between two pieces of the answer), and for how
    many bytes.
    """

    connect: float
    read: float
    most_bytes: int


@dataclass(frozen=True)
class Answer:
    """What came back; `body` is None where it broke off, and `broken` says how."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None = field(repr=False)  # may echo anything, so no traceback shows it
    broken: str = ""


@dataclass(frozen=True)
class Fault:
    """No answer came. `written`: the server may have seen the request."""

    written: bool
    why: str = field(repr=False)  # it may quote what we sent
    certificate_refused: bool = False


class _Adapter(HTTPAdapter):
    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **{**kwargs, **self._tls()})
        _use_our_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> PoolManager:
        manager: PoolManager = super().proxy_manager_for(proxy, **kwargs, **self._tls())
        _use_our_pools(manager)
        return manager

    def _tls(self) -> dict[str, Any]:
        return {} if self._context is None else {"ssl_context": self._context}


def _use_our_pools(manager: PoolManager) -> None:
    # A SOCKS manager has pools of its own kind; with those `written` stays False, so refuse them.
    if type(manager).__module__.endswith("socks"):
        raise requests.exceptions.InvalidSchema("SOCKS proxies are not supported")
    manager.pool_classes_by_scheme = {"http": Pool, "https": TlsPool}


class _Session(requests.Session):
    def __init__(self) -> None:
        super().__init__()
        self._surroundings: dict[Any, Any] = {}

    def merge_environment_settings(
        self, url: str | bytes | None, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """Proxies and roots of the environment, looked up once for each place: the lookup costs as
        much as the rest of a call.
        """
        place = (tuple(str(url).split("/", 3)[:3]), stream, verify, cert)
        if place not in self._surroundings:
            found = super().merge_environment_settings(url, proxies, stream, verify, cert)
            self._surroundings[place] = found
        return dict(self._surroundings[place])

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        """None: a redirect is an answer to judge, and its Location isn't even parsed."""
        return None


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def open_session(
    headers: Mapping[str, str | bytes], context: ssl.SSLContext | None = None
) -> requests.Session:
    """A session that sends these headers. Proxies of the environment count; its netrc doesn't."""
    session = _Session()
    session.auth = _no_auth  # with any auth set, requests doesn't ask netrc
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update(headers)
    session.mount("http://", _Adapter(None))
    session.mount("https://", _Adapter(context))
    return session


def exchange(
    session: requests.Session,
    method: str,
    url: str,
    limits: Limits,
    *,
    send_before: float = float("inf"),
    **parts: Any,
) -> Answer | Fault:
    """Ask once. A failure is returned, not raised: no traceback leads into frames with a secret."""
    progress.begin(limits.connect, limits.read * DRIPS, send_before)
    try:
        with session.request(
            method,
            url,
            timeout=(limits.connect, limits.read),
            allow_redirects=False,
            stream=True,
            **parts,
        ) as response:
            body, broken = _whole_body(response, limits.most_bytes)
            return Answer(response.status_code, response.headers, body, broken)
    except FAULTS as fault:
        return Fault(progress.written, reason(fault), _is_about_our_certificate(fault))


def _whole_body(response: requests.Response, most: int) -> tuple[bytes | None, str]:
    """The body, or None and why: it broke off, is too large, or is shorter than it said."""
    body = bytearray()
    try:
        for piece in response.iter_content(PIECE):
            body += piece
            if len(body) > most:
                return None, f"more than {most} bytes"
    except FAULTS as fault:
        return None, reason(fault)
    promised = response.headers.get("Content-Length", "")
    may_differ = response.request.method == "HEAD" or "Content-Encoding" in response.headers
    if promised.isdigit() and not may_differ and len(body) != int(promised[:18]):
        return None, f"{len(body)} bytes of {promised[:18]}"
    return bytes(body), ""


def reason(fault: BaseException) -> str:
    """What really happened, from under the layers of wrapping."""
    inner = _beneath(fault)
    return f"{type(inner).__name__}: {inner}"


def _beneath(fault: BaseException) -> BaseException:
    for inner in (getattr(fault, "reason", None), *fault.args):
        if isinstance(inner, BaseException):
            return _beneath(inner)
    return fault


def _is_about_our_certificate(fault: BaseException) -> bool:
    """Whether the server ended TLS for our certificate's sake: in such alerts it says so."""
    inner = _beneath(fault)
    word = (inner.reason or "") if isinstance(inner, ssl.SSLError) else ""
    return "ALERT" in word and any(
        part in word for part in ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED")
    )
