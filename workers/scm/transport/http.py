"""HTTP exchanges without retries, redirects, cookies or netrc, and with a limit on every response.

A failed exchange also reports whether any byte of the request was written before, which requests itself doesn't.
"""

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from typing import Any, cast
from urllib.parse import urlencode

import requests
from requests.adapters import HTTPAdapter
from requests.utils import requote_uri, select_proxy
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
)
from urllib3.poolmanager import PoolManager
from urllib3.util import Retry, Timeout

from certline.workers.scm.transport.connections import Pool, TlsPool, progress

# Everything that requests and the libraries below it raise for a failed call; a malformed status line or header
# can end in a ValueError.
FAULTS = (OSError, HTTPError, HTTPException, ValueError)

# Each piece of a response may take one read time-out; the whole response may take this many.
DRIPS = 3

# Bytes read at a time.
PIECE = 64 * 1024


@dataclass(frozen=True)
class Limits:
    """Limits of an exchange: seconds to connect and between two pieces of the response, and its size in bytes."""

    connect: float
    read: float
    most_bytes: int


@dataclass(frozen=True)
class HttpResponse:
    """An HTTP response. `body` is None if it is incomplete, and `broken` then says why."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None = field(repr=False)  # may echo secrets, so kept out of tracebacks
    broken: str = ""


@dataclass(frozen=True)
class TransportFault:
    """A failure without a response. `written`: the server may have received the request."""

    written: bool
    why: str = field(repr=False)  # may quote what we sent
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
    # A SOCKS manager needs its own pool classes, with which `written` would stay False: refused as unsafe.
    if type(manager).__module__.endswith("socks"):
        raise requests.exceptions.InvalidSchema("SOCKS proxies are not supported")
    manager.pool_classes_by_scheme = {"http": Pool, "https": TlsPool}


@dataclass(frozen=True)
class _Line:
    """Direct connections to a host, and the headers of each request to it."""

    pool: HTTPConnectionPool
    headers: Mapping[str, str] = field(repr=False)

    def read(
        self, url: str, params: Mapping[str, Any], more: Mapping[str, str], limits: Limits
    ) -> HttpResponse:
        """GET a URL: what requests would send, without the work that is the same for each request."""
        path = "/" + "/".join(url.split("/", 3)[3:])
        query = f"?{urlencode(params, doseq=True)}" if params else ""
        response = self.pool.urlopen(
            "GET",
            requote_uri(path + query),
            headers={**self.headers, **more},
            retries=Retry(0, read=False),
            redirect=False,
            assert_same_host=False,
            timeout=Timeout(connect=limits.connect, read=limits.read),
            preload_content=False,
            decode_content=False,
        )
        try:
            pieces = response.stream(PIECE, decode_content=True)
            body, broken = _whole_body(pieces, response.headers, limits.most_bytes)
        except BaseException:
            response.close()
            raise
        if body is None:
            response.close()  # the rest of the body would be taken for the next response
        response.release_conn()
        return HttpResponse(response.status, response.headers, body, broken)


class _Session(requests.Session):
    def __init__(self) -> None:
        super().__init__()
        self._surroundings: dict[Any, Any] = {}
        self._lines: dict[tuple[str, str | bool], _Line | None] = {}

    def line_to(self, url: str, verify: str | bool) -> "_Line | None":
        """Return the direct connections to a URL's host, or None if a proxy is in between."""
        base = "/".join(url.split("/", 3)[:3])
        if (base, verify) not in self._lines:
            self._lines[base, verify] = self._new_line(base, verify)
        return self._lines[base, verify]

    def _new_line(self, base: str, verify: str | bool) -> "_Line | None":
        request = self.prepare_request(requests.Request("GET", base))
        place = request.url or base
        around = self.merge_environment_settings(place, {}, True, verify, None)
        adapter = self.get_adapter(place)
        if not isinstance(adapter, _Adapter) or select_proxy(place, around["proxies"]) is not None:
            return None
        trusted = around["verify"]
        pool = adapter.get_connection_with_tls_context(request, trusted, around["proxies"])
        adapter.cert_verify(pool, place, trusted, None)  # type: ignore[no-untyped-call]
        return _Line(cast("HTTPConnectionPool", pool), request.headers)

    def close(self) -> None:
        """Close all connections; a later request opens new ones."""
        self._lines.clear()
        super().close()

    def merge_environment_settings(
        self, url: str | bytes | None, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """Return the environment's proxies and trusted roots, cached per scheme and host.

        Without the cache, requests' lookup takes as long as the rest of a call.
        """
        place = (tuple(str(url).split("/", 3)[:3]), stream, verify, cert)
        if place not in self._surroundings:
            found = super().merge_environment_settings(url, proxies, stream, verify, cert)
            self._surroundings[place] = found
        return dict(self._surroundings[place])

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        """Return None: a redirect is judged like any other response, and its Location is never parsed."""
        return None


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def open_session(
    headers: Mapping[str, str | bytes], context: ssl.SSLContext | None = None
) -> requests.Session:
    """Return a session that sends these headers. It uses the environment's proxies, but no netrc."""
    session = _Session()
    session.auth = _no_auth  # requests reads netrc only if no auth is set
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
) -> HttpResponse | TransportFault:
    """Send a request once and return the response or the fault.

    A failure is returned rather than raised, so that no traceback leads into frames that hold a secret.
    """
    progress.begin(limits.connect, limits.read * DRIPS, send_before)
    try:
        plain = method == "GET" and not (parts.get("json") or parts.get("data"))
        if plain and isinstance(session, _Session):
            line = session.line_to(url, parts.get("verify", True))
            if line is not None:
                more = parts.get("headers") or {}
                return line.read(url, parts.get("params") or {}, more, limits)
        with session.request(
            method,
            url,
            timeout=(limits.connect, limits.read),
            allow_redirects=False,
            stream=True,
            **parts,
        ) as response:
            if method == "HEAD":  # its Content-Length is that of a GET
                return HttpResponse(response.status_code, response.headers, b"")
            pieces = response.iter_content(PIECE)
            body, broken = _whole_body(pieces, response.headers, limits.most_bytes)
            return HttpResponse(response.status_code, response.headers, body, broken)
    except FAULTS as fault:
        return TransportFault(progress.written, reason(fault), _is_about_our_certificate(fault))


def _whole_body(
    pieces: Iterator[bytes], headers: Mapping[str, str], most: int
) -> tuple[bytes | None, str]:
    """Return (body, ""), or (None, reason) if it was cut off, is too large or doesn't match Content-Length."""
    body = bytearray()
    try:
        for piece in pieces:
            body += piece
            if len(body) > most:
                return None, f"more than {most} bytes"
    except FAULTS as fault:
        return None, reason(fault)
    # A decompressed body differs in length.
    promised = headers.get("Content-Length", "")
    may_differ = "Content-Encoding" in headers
    if promised.isdigit() and not may_differ and len(body) != int(promised[:18]):
        return None, f"{len(body)} bytes of {promised[:18]}"
    return bytes(body), ""


def reason(fault: BaseException) -> str:
    """Return in words what the innermost error says, which requests and urllib3 wrap in others."""
    inner = _beneath(fault)
    match inner:
        case NameResolutionError():
            return "its host name is not known"
        case NewConnectionError() if isinstance(inner.__cause__, OSError):
            return f"no connection: {inner.__cause__.strerror or inner.__cause__}"
        case ConnectTimeoutError():
            return "no connection within the time-out"
        case ReadTimeoutError():
            return "no answer within the time-out"
    return f"{type(inner).__name__}: {inner}"


def _beneath(fault: BaseException) -> BaseException:
    for inner in (getattr(fault, "reason", None), *fault.args):
        if isinstance(inner, BaseException):
            return _beneath(inner)
    return fault


def _is_about_our_certificate(fault: BaseException) -> bool:
    """Return True if the server ended TLS because of our certificate, as its alert says."""
    inner = _beneath(fault)
    word = (inner.reason or "") if isinstance(inner, ssl.SSLError) else ""
    return "ALERT" in word and any(
        part in word for part in ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED")
    )
